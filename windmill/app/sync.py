"""One sync, as a process of its own: what a source holds now becomes the published revision, or a recorded reason
why not. `python -m windmill.app.sync --home DIR PROJECT`, started by the runner like every execution.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from windmill.app.home import Home
from windmill.app.publishing import Publisher, Tree
from windmill.core.documents import to_text
from windmill.core.errors import Refused, WindmillError
from windmill.projects import archive, published
from windmill.projects.fingerprint import combined, remote_of
from windmill.projects.git import Mirror
from windmill.projects.known import KEY_DIGITS, Kind, Project
from windmill.projects.published import Attempt, Outcome, Published
from windmill.projects.requirements import find
from windmill.projects.settings import Signers
from windmill.projects.source import shown
from windmill.scheduler.clock import now

FETCH_TIMEOUT: Final = 600.0  # seconds
NICENESS: Final = 15  # a sync may wait, slots may not
Say = Callable[[str], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Sync one project and return the exit status: 0 published or up to date, 1 not, with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="windmill.app.sync", description="Bring one project up to date.")
    parser.add_argument("project")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--accept", choices=["true", "false"], default="false")
    parser.add_argument("--revision", default="", help="make this revision available; publish nothing")
    wanted = parser.parse_args(arguments)
    os.umask(0o077)
    try:
        home = Home(wanted.home.resolve(), os.environ)
        sync = Sync(home, wanted.project, _say)
        return sync.provide(wanted.revision) if wanted.revision else sync.publish(accept=wanted.accept == "true")
    except WindmillError as error:
        _complain(error.message, error.hint)
        return 1
    except OSError as error:
        _complain(f"{error.filename or 'the disk'}: {error.strerror}", "")
        return 1


class Sync:
    """The sync of one project. Raises Refused for a name that is none, or of a project used in place."""

    def __init__(self, home: Home, name: str, say: Say) -> None:
        self._home, self._say = home, say
        projects = home.projects.all()
        if name not in projects:
            raise Refused(f'there is no project "{name}"', hint=f"the projects of this home: {', '.join(projects)}")
        self._project: Project = projects[name]
        if not self._project.syncs:
            raise Refused(f"the project {name} is used in place: there is nothing to publish")
        state = published.read(home.state, name)  # one that cannot be read is no empty one
        self._known = state if state.kind in {"", self._project.kind} else Published(project=name)
        self._mirror = Mirror(home.state / "mirrors" / f"{name}.git", environ=os.environ, say=say)
        self._publisher = Publisher(home, self._project, say)

    def publish(self, *, accept: bool) -> int:
        """Publish what the source holds now; `accept` also a revision that removes most of the jobs.

        What keeps it from a verdict is remembered too, so that people see it where they look for it.
        """
        try:
            status = self._publish(accept=accept)
        except (WindmillError, OSError) as error:
            text = error.message if isinstance(error, WindmillError) else str(error)
            with suppress(OSError, WindmillError):
                published.write(self._home.state, replace(self._known, trouble=text))
            raise
        self._mirror.tidy()
        return status

    def _publish(self, *, accept: bool) -> int:
        tree = self._look()
        known, applied = self._known, self._known.applied
        fingerprint = combined(tree.content, self._project.settings)
        attempted = known.attempted
        done = attempted and (attempted.fingerprint, attempted.outcome) == (fingerprint, Outcome.PUBLISHED)
        if applied and done and applied.on_disk:
            self._say(f"up to date: {applied.name or 'requirements unchanged'}")
            if known.trouble:
                published.write(self._home.state, replace(known, trouble=""))
            self._publisher.collect(known)
            return 0
        attempt = Attempt(
            fingerprint=fingerprint, revision=tree.name, at=to_text(now()) or "", outcome=Outcome.PUBLISHED
        )
        try:
            revision = self._publisher.make(tree)
            state = self._publisher.judge(known, revision, self._mirror, accept=accept)
        except Refused as error:
            attempt = replace(attempt, outcome=Outcome.REFUSED, error=error.message)
            return self._keep(known, attempt, error.hint)
        if state.attempted is not None:  # held or refused, with what was found
            return self._keep(known, replace(state.attempted, fingerprint=fingerprint, at=attempt.at))
        published.write(self._home.state, replace(state, attempted=attempt, kind=self._project.kind))
        self._say(
            f"published {revision.name or 'the environment'}" + (f": {revision.subject}" if revision.subject else "")
        )
        self._publisher.collect(state)
        return 0

    def provide(self, key: str) -> int:
        """Make an older revision available again for an exact rerun."""
        self._publisher.provide(self._tree_at(key))
        self._say(f"revision {key} is available")
        return 0

    def _keep(self, known: Published, attempt: Attempt, hint: str = "") -> int:
        """Remember that this state of the source is not published; what is live stays."""
        state = replace(known, attempted=attempt, trouble="", kind=self._project.kind)
        published.write(self._home.state, state)
        self._publisher.collect(known)
        for problem in attempt.problems:
            self._say(str(problem))
        live = known.applied.name if known.applied else "nothing"
        _complain(f"not published: {attempt.error}; {live} stays live", hint)
        return 1

    def _look(self) -> Tree:
        """Return what the source holds now."""
        project = self._project
        if project.kind is Kind.GIT:
            remote = remote_of(project.settings, os.environ)
            self._say(f"fetching {remote.ref} of {shown(remote.url)}")
            return self._commit(self._mirror.fetch(remote, timeout=FETCH_TIMEOUT))
        if project.path is None:
            raise Refused(f"the project {project.name} has nothing under projects/")
        if project.kind is Kind.DIRECTORY:
            found = find(project.path)
            return Tree(content=found.digest if found else "", name="", key="", lay=None)
        content, path = archive.digest(project.path), project.path
        return Tree(
            content=content,
            name=f"sha256:{content}",
            key=content[:KEY_DIGITS],
            lay=lambda target: archive.unpack(path, target),
        )

    def _tree_at(self, key: str) -> Tree:
        if self._project.kind is Kind.GIT:
            remote = replace(remote_of(self._project.settings, os.environ), ref=key)
            return self._commit(self._mirror.fetch(remote, timeout=FETCH_TIMEOUT))
        tree = self._look()
        if tree.key != key:
            raise Refused(f"revision {key} of {self._project.name} is gone: its archive was replaced")
        return tree

    def _commit(self, commit: str) -> Tree:
        settings = self._project.settings
        facts = self._mirror.facts(commit)
        self._say(f"commit {commit[:12]} by {facts.author}: {facts.subject}")
        return Tree(
            content=commit,
            name=f"{settings.ref}@sha1:{commit}",
            key=commit,
            lay=lambda target: self._mirror.export(commit, target),
            verify=lambda: self._verify(commit, settings.verify),
            commit=commit,
            author=facts.author,
            subject=facts.subject,
            committed_at=to_text(facts.at) or "",
        )

    def _verify(self, commit: str, signers: Signers | None) -> None:
        if signers is None:
            return
        allowed, gpg_home = signers.allowed_signers, signers.gpg_home
        self._mirror.verify(
            commit,
            allowed_signers=self._home.root / allowed if allowed else None,
            gpg_home=self._home.root / gpg_home if gpg_home else None,
        )
        self._say("signed by one of the allowed")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _complain(message: str, hint: str) -> None:
    sys.stderr.write(message + "\n" + (f"hint: {hint}\n" if hint else ""))


if __name__ == "__main__":
    os.nice(NICENESS)
    sys.exit(main())
