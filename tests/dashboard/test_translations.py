"""The catalog of Brazilian Portuguese is complete, and what the dashboard reads is made of it.

After a change of sentences:

    cd windmill/dashboard
    pybabel extract -F ../../pyproject.toml -k lazy_gettext --add-location=file -s -w 110 -o /tmp/messages.pot .
    pybabel update -N -w 110 --ignore-obsolete --ignore-pot-creation-date \
        -i /tmp/messages.pot -d translations -l pt_BR
    pybabel compile -d translations
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from babel.messages import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask_babel import force_locale

import windmill.dashboard
from tests.support.builders import NOON, a_job, an_execution
from tests.support.dashboard import Site
from windmill.core.model import Schedule, State
from windmill.core.ports import Batch
from windmill.dashboard import present, records, words
from windmill.dashboard.schedules import cron_words, schedule_words

HERE: Final = Path(windmill.dashboard.__file__).parent
FILES: Final = HERE / "translations" / "pt_BR" / "LC_MESSAGES"
METHODS: Final = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
OPTIONS: Final = {"**/templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}}
PLACE: Final = re.compile(r"%\((\w+)\)[sd]")
MARKUP: Final = re.compile(r"</?\w+>")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    with (FILES / "messages.po").open("rb") as file:
        return read_po(file, locale="pt_BR")


@pytest.fixture
def portuguese(tmp_path: Path) -> Iterator[Site]:
    """A site whose viewer reads Portuguese, asked inside a request."""
    site = Site(tmp_path / "windmill.db")
    with site.app.test_request_context(), force_locale("pt_BR"):
        yield site


def forms(one: Message) -> list[tuple[str, str]]:
    """Each sentence with its translation; of one that counts, each form."""
    sentences = list(one.id) if isinstance(one.id, (tuple, list)) else [one.id]
    translated = [str(form or "") for form in (one.string if isinstance(one.string, (tuple, list)) else [one.string])]
    return list(zip(sentences, translated, strict=True))


def test_every_sentence_is_translated(catalog: Catalog) -> None:
    keywords: Any = {**DEFAULT_KEYWORDS, "lazy_gettext": None}
    found = extract_from_dir(HERE, METHODS, OPTIONS, keywords=keywords)
    said = {(message if isinstance(message, str) else message[0]): file for file, _, message, _, _ in found}
    assert {
        text: file for text, file in said.items() if text not in catalog or not all(forms_of(catalog, text))
    } == {}


def forms_of(catalog: Catalog, text: str) -> list[str]:
    """What the sentence is in the catalog."""
    return [translated for _, translated in forms(catalog[text])]


def test_no_translation_is_a_guess(catalog: Catalog) -> None:
    assert [one.id for one in catalog if one.id and one.fuzzy] == []


def test_a_translation_has_the_places_and_marks_of_its_sentence(catalog: Catalog) -> None:
    wrong = [
        (sentence, translated)
        for one in catalog
        if one.id
        for sentence, translated in forms(one)
        if set(PLACE.findall(sentence)) != set(PLACE.findall(translated))
        or sorted(MARKUP.findall(sentence)) != sorted(MARKUP.findall(translated))
    ]
    assert wrong == []


def test_the_dashboard_reads_what_the_catalog_says(catalog: Catalog) -> None:
    compiled = BytesIO()
    write_mo(compiled, catalog)
    assert compiled.getvalue() == (FILES / "messages.mo").read_bytes(), "compile it: pybabel compile"


@pytest.mark.parametrize(
    ("distance", "said"),
    [
        (timedelta(minutes=8), "em 8 min"),
        (-timedelta(minutes=8, seconds=20), "há 8 min"),
        (-timedelta(days=2, hours=3, minutes=4), "há 2 d 3 h"),
        (timedelta(0), "agora"),
    ],
)
def test_distances_in_time(portuguese: Site, distance: timedelta, said: str) -> None:
    assert words.relative(NOON + distance, NOON) == said


def test_durations_and_dates(portuguese: Site) -> None:
    assert words.span(timedelta(seconds=1.5)) == "1,5 s"
    assert records.size(71 * 1024**3 + 1024**3 // 2) == "71,5 GiB"
    assert words.month(date(2026, 9, 1)) == "set."
    assert words.moment(datetime(2026, 2, 1, 9, 30, tzinfo=ZoneInfo("America/Sao_Paulo"))).startswith("dom. 01 fev.")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("0 3 * * *", "todos os dias, às 03:00"),
        ("*/5 * * * *", "a cada 5 min"),
        ("15 * * * *", "a cada hora, no minuto 15"),
        ("0 8,18 * * MON-FRI", "de segunda-feira a sexta-feira, às 08:00 e 18:00"),
        ("0 0 1,15 6 *", "nos dias 1 e 15 do mês, em junho, às 00:00"),
        ("0 0 L * *", "no último dia do mês, às 00:00"),
        ("@daily", "todos os dias, às 00:00"),
        ("*/15 8-18 * * 1-5", "de segunda-feira a sexta-feira, a cada 15 min das 08:00 às 18:45"),
        ("30 9-17 * 6-8 *", "de junho a agosto, a cada hora das 09:30 às 17:30"),
        ("*/7 8-18 * * *", "cron */7 8-18 * * *"),
        ("5 4 * * 1#2", "cron 5 4 * * 1#2"),
    ],
)
def test_cron_expressions(portuguese: Site, expression: str, said: str) -> None:
    assert cron_words(expression) == said


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        (Schedule(interval=timedelta(minutes=90)), "a cada 1 h 30 min"),
        (Schedule(at=NOON), "uma vez, em 2026-01-01 12:00 UTC"),
        (Schedule(cron="0 3 * * *", max_runs=2), "todos os dias, às 03:00, UTC, no máximo 2 vezes"),
    ],
)
def test_schedules(portuguese: Site, schedule: Schedule, said: str) -> None:
    assert schedule_words(a_job(), schedule) == said


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("missed", "perdido: o agendador não estava ativo"),
        ("exit_code; output_held", "código de saída 3; um processo remanescente manteve a saída aberta"),
        ("stopped: by Ana", "interrompida por Ana"),
        ("what nobody knows", "what nobody knows"),
    ],
)
def test_reasons(portuguese: Site, reason: str, said: str) -> None:
    assert present.why(an_execution(state=State.FAILED, reason=reason, exit_code=3)) == said


def test_pages_speak_it_to_those_who_read_it(tmp_path: Path) -> None:
    site = Site(tmp_path / "windmill.db")
    site.put(Batch(jobs=[a_job()], executions=[an_execution()]))
    html = site.client.get("/", headers={"Accept-Language": "pt-BR,pt;q=0.9,en;q=0.8"}).get_data(as_text=True)
    assert '<html lang="pt-BR"' in html
    for said in ("O único job vai bem", "há 5 min", "em 10 min", "Sucesso"):
        assert said in html
