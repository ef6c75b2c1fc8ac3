from __future__ import annotations

import json

import pytest

from tests.support.mail import MailServer
from tests.support.sink import Sink
from windmill.alerts.channels import check, send
from windmill.alerts.letters import Letter
from windmill.core.errors import WindmillError

LETTER = Letter(subject="[WindMill] p/a failed", body="p/a failed.\n\n  one & <two>\n")


def test_a_message_arrives_by_http_as_it_is() -> None:
    with Sink() as sink:
        send(f"json://127.0.0.1:{sink.port}/hook", LETTER)
        (asked,) = sink.asked
    assert (asked.method, asked.path) == ("POST", "/hook")
    assert json.loads(asked.body)["title"] == LETTER.subject
    assert json.loads(asked.body)["message"].strip() == LETTER.body.strip()


def test_a_message_arrives_by_mail_as_plain_text() -> None:
    with MailServer() as server:
        send(server.channel, LETTER)
        (mail,) = server.mails
    assert mail["Subject"] == LETTER.subject
    text = mail.get_body(("plain",))
    assert text is not None
    assert "one & <two>" in text.get_content()


@pytest.mark.parametrize(("status", "words"), [(404, "answered with status 404"), (500, "answered with status 500")])
def test_what_a_server_answers_is_said_without_the_url(
    status: int, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with Sink(answers=(status,)) as sink, pytest.raises(WindmillError) as raised:
        send(f"json://me:HUSH1@127.0.0.1:{sink.port}/HUSH2", LETTER)
    assert words in str(raised.value)
    captured = capfd.readouterr()
    assert "HUSH" not in str(raised.value) + captured.out + captured.err


def test_a_server_that_is_away_is_said_without_the_url() -> None:
    with Sink() as sink:
        port = sink.port
    with pytest.raises(WindmillError, match="cannot be reached") as raised:
        send(f"json://me:HUSH@127.0.0.1:{port}/", LETTER)
    assert "HUSH" not in str(raised.value)


def test_a_mail_server_that_refuses_is_a_failure() -> None:
    with MailServer() as server:
        server.refuses = True
        with pytest.raises(WindmillError):
            send(server.channel, LETTER)
        assert server.mails == []


@pytest.mark.parametrize("url", ["HUSH", "HUSH://x", "mailto://HUSH", ""])
def test_a_url_that_is_none_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(WindmillError, match="the URL is none that apprise knows") as raised:
        check(url)
    assert "HUSH" not in str(raised.value)
