"""The project's checks: `nox` runs them all, `nox -l` lists them, `nox -s tests-3.12` runs one."""

import os
import shutil
import subprocess
import sys

import nox

GROUPS = nox.project.load_toml("pyproject.toml")
EXTRAS = "cli,dask,otel,postgres,store"

# The tests start hundreds of interpreters; none of them should have to compile what it imports.
os.environ["UV_COMPILE_BYTECODE"] = "1"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = True
nox.options.reuse_venv = "yes"
nox.options.stop_on_first_error = True


def runs(version: str) -> bool:
    """Whether there is a Python of this version; a version manager's shim may stand there for nothing."""
    program = shutil.which(f"python{version}")
    return (
        program is not None and subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0
    )


PRESENT = [version for version in ("3.11", "3.12", "3.13") if runs(version)] or [sys.executable]
NEWEST = PRESENT[-1]


def install(session: nox.Session, *groups: str) -> None:
    """Install the package and dependency groups, in the versions that the constraints file names."""
    requirements = [line for group in groups for line in nox.project.dependency_groups(GROUPS, group)]
    session.install("--constraint", "constraints.txt", "--editable", f".[{EXTRAS}]", *requirements)


@nox.session(python=NEWEST)
def lint(session: nox.Session) -> None:
    """Check style, formatting and the architecture."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-logo")


@nox.session(python=NEWEST)
def typing(session: nox.Session) -> None:
    """Check types, as two checkers see them, and as users of the installed package do."""
    install(session, "dev")
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--verifytypes", "kaspi_delivery_async", "--ignoreexternal")


@nox.session(python=NEWEST)
def codegen(session: nox.Session) -> None:
    """Check that the generated models are those that the description gives, and test what generates them."""
    install(session, "dev")
    session.run("python", "-m", "codegen", "--check")
    session.run("pytest", "--numprocesses=auto", "tests/codegen")


@nox.session(python=NEWEST)
def example(session: nox.Session) -> None:
    """Run the tests of the sample project, which knows only the installed package."""
    session.install("--constraint", "constraints.txt", ".", "pytest", "pytest-asyncio")
    session.chdir("examples/shop")
    session.run("pytest", "-p", "no:cacheprovider")


@nox.session(python=PRESENT)
def tests(session: nox.Session) -> None:
    """Run all tests; on the newest Python, every line and branch of the package must be covered by them."""
    install(session, "codegen", "test")
    pytest = ["pytest", "--numprocesses=auto", "--ignore=tests/codegen", *session.posargs]
    if session.python != NEWEST:
        session.run(*pytest)
        return
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", *pytest)
    session.run("coverage", "combine", "--quiet")
    # What talks to PostgreSQL is covered only where there is one.
    session.run("coverage", "report", *([] if "KASPI_TEST_POSTGRES" in os.environ else ["--fail-under=95"]))


@nox.session(python=NEWEST, default=False)
def kill(session: nox.Session) -> None:
    """Kill a bulk run at 300 points and resume it each time; takes half an hour."""
    install(session, "test")
    session.run("python", "-m", "tests.support.kill_harness", "--points", "300", *session.posargs)


@nox.session(python=NEWEST, default=False)
def long(session: nox.Session) -> None:
    """Run the tests that take minutes."""
    install(session, "codegen", "test")
    session.run("pytest", "-m", "long", *session.posargs)


@nox.session(python=NEWEST, default=False)
def bench(session: nox.Session) -> None:
    """Measure the speed beside that of others; takes its time, and wants a quiet machine."""
    # Not the versions of the constraints file: openapi-python-client wants an older typer.
    session.install("--editable", f".[{EXTRAS}]", *nox.project.dependency_groups(GROUPS, "bench"))
    session.run("python", "-m", "benchmarks", *session.posargs)
