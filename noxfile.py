"""The project's checks: `nox` runs those of every change, `nox -l` lists all, `nox -s tests-3.12` runs one.

With `--parallel auto`, which `run.py checks` adds, the checks that use one core run side by side. The tests run alone:
they fill every core.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

GROUPS = nox.project.load_toml("pyproject.toml")
EXTRAS = "cli,dask,otel,outbox,phones,postgres,sandbox-page,store,xlsx"

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = True
nox.options.reuse_venv = "yes"
nox.options.stop_on_first_error = True


def runs(version: str) -> bool:
    """Whether there is a Python of this version; a version manager's shim may exist without an interpreter."""
    program = shutil.which(f"python{version}")
    return (
        program is not None and subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0
    )


PRESENT = [version for version in ("3.11", "3.12", "3.13", "3.14") if runs(version)] or [sys.executable]
NEWEST = PRESENT[-1]

nox.options.sessions = ["lint", "typing", "package", f"tests-{NEWEST}"]


def install(session: nox.Session, *groups: str, compiled: bool = False) -> None:
    """Install the package and dependency groups, in the versions of the constraints file.

    ``compiled`` is for tests: they start hundreds of interpreters, none of which should compile what it imports.
    """
    requirements = [line for group in groups for line in nox.project.dependency_groups(GROUPS, group)]
    session.install(
        *("--constraint", "constraints.txt", "--editable", f".[{EXTRAS}]", *requirements),
        env={"UV_COMPILE_BYTECODE": "1"} if compiled else {},
    )


@nox.session(python=NEWEST, allow_parallel=True)
def lint(session: nox.Session) -> None:
    """Check style, formatting, the wording and the architecture."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-logo")
    session.run("python", "-m", "tests.architecture.wording")
    session.run(
        "codespell", "README.md", "docs", "kaspi_delivery_async", "codegen", "openapi", "benchmarks", "examples"
    )


@nox.session(python=NEWEST, allow_parallel=True)
@nox.parametrize("checker", ["mypy", "pyright"])
def typing(session: nox.Session, checker: str) -> None:
    """Check types, as two checkers and as users of the installed package see them, and the API against its record."""
    install(session, "dev")
    session.run(checker)
    if checker == "mypy":  # whose stubs record the public API
        session.run("python", "-m", "tests.release.api", *session.posargs)
    if checker == "pyright":
        session.run("pyright", "--verifytypes", "kaspi_delivery_async", "--ignoreexternal")


# Every package of the installed wheel can be found without an extra, as documentation tools and IDEs do it.
FIND_PACKAGES = """
import pathlib, pkgutil, sys, kaspi_delivery_async as package
assert "site-packages" in package.__file__, package.__file__
assert len(list(pkgutil.walk_packages(package.__path__, package.__name__ + "."))) > 50
assert pathlib.Path(sys.prefix, "share", "man", "man1", "kaspi-delivery.1").exists()
"""


@nox.session(python=NEWEST, allow_parallel=True)
def package(session: nox.Session) -> None:
    """Install the built package as users do, without extras; then run the sample project's tests on it."""
    session.install("--constraint", "constraints.txt", ".")
    session.chdir("examples/shop")
    session.run("python", "-X", "dev", "-W", "error", "-c", FIND_PACKAGES)
    session.install("--constraint", "../../constraints.txt", "pytest", "pytest-asyncio")
    session.run("pytest", "-p", "no:cacheprovider")


@nox.session(python=PRESENT)
def tests(session: nox.Session) -> None:
    """Run all tests; on the newest Python alone those that depend on no version of it, and the coverage."""
    pytest = ["pytest", "--numprocesses=auto", "--dist=worksteal", *session.posargs]
    if session.python != NEWEST:
        install(session, "codegen", "test", compiled=True)
        ignored = (
            "codegen",
            "docs",
            "examples",
            "operations",
            "release",
            "sandbox/test_page_in_browser.py",
            "simulation",
        )
        session.run(*pytest, "-m", "not long and not newest", *(f"--ignore=tests/{path}" for path in ignored))
        return
    install(session, "codegen", "examples", "test", compiled=True)
    session.run("python", "-m", "codegen", "--check")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", *pytest)
    session.run("coverage", "combine", "--quiet")
    # What talks to PostgreSQL is covered only where there is one.
    session.run("coverage", "report", *([] if "KASPI_TEST_POSTGRES" in os.environ else ["--fail-under=95"]))


@nox.session(python=NEWEST, default=False)
def codegen(session: nox.Session) -> None:
    """Check that the generated models match the description, and test the generator alone."""
    install(session, "codegen", "test", compiled=True)
    session.run("python", "-m", "codegen", "--check")
    session.run("pytest", "--numprocesses=auto", "tests/codegen")


@nox.session(python=NEWEST, default=False)
def docs(session: nox.Session) -> None:
    """Build the site, and check its links, its names, its options and how its pages look in a browser."""
    install(session, "docs")
    session.run("python", "-m", "tests.site.browser_scripts")
    session.run("sphinx-build", "--fail-on-warning", "--keep-going", "-q", "-c", "docs", "-E", ".", "build/site")
    session.run("sphinx-build", "-q", "-c", "docs", "-E", "-b", "man", ".", "build/manual")
    session.run("python", "-m", "tests.site.checks", "build/site")
    session.run("python", "-m", "tests.site.accessibility", "build/site")
    session.log("the site is build/site/index.html")
    written, manual = Path("build/manual/kaspi-delivery.1"), Path("docs/kaspi-delivery.1")
    if written.read_bytes() != manual.read_bytes():
        shutil.copy(written, manual)
        session.error("docs/kaspi-delivery.1 was not that of the commands, and is now: commit it")


@nox.session(python=NEWEST, default=False)
def release(session: nox.Session) -> None:
    """Build a release twice with the same bytes, check it, and list what it depends on; everything but the upload."""
    session.install("--constraint", "constraints.txt", *nox.project.dependency_groups(GROUPS, "release"))
    session.run("python", "-m", "tests.release.builds", "dist")
    [wheel] = Path("dist").glob("*.whl")
    session.run("twine", "check", "--strict", *map(str, Path("dist").iterdir()))
    session.run("check-wheel-contents", str(wheel))
    session.run("pyroma", "--min", "8", ".")  # two marks are for a home page and an address, which a forge gives it
    for version in PRESENT:  # as a user would, with pip alone
        environment = Path(session.create_tmp(), f"installed-{version}")
        session.run(f"python{version}", "-m", "venv", "--clear", str(environment), external=True)
        python = str(environment / "bin" / "python")
        session.run(python, "-m", "pip", "install", "--quiet", f"{wheel}[cli]", external=True)
        session.run(python, "-W", "error", "-c", "import kaspi_delivery_async", external=True)
        session.run(str(environment / "bin" / "kaspi-delivery"), "demo", "--speed", "5000", external=True, silent=True)
    everything = Path(session.create_tmp(), "everything")
    session.run("python", "-m", "venv", "--clear", str(everything))
    python = str(everything / "bin" / "python")
    session.run(python, "-m", "pip", "install", "--quiet", f"{wheel}[{EXTRAS}]", external=True)
    session.run("cyclonedx-py", "environment", "--output-reproducible", "--output-file", "dist/sbom.cdx.json", python)
    session.run("pip-licenses", "--python", python, "--format", "markdown", "--output-file", "dist/licences.md")


@nox.session(python=NEWEST, default=False)
@nox.parametrize("provider", ["backoff", "python-backoff", "both"])
def retries(session: nox.Session, provider: str) -> None:
    """Test the retries with each of the packages that provide the module `backoff`, and with one over the other."""
    install(session, "test")
    session.run("uv", "pip", "uninstall", "--quiet", "backoff", "python-backoff", external=True)
    for name in ("python-backoff", "backoff") if provider == "both" else (provider,):
        session.install("--constraint", "constraints.txt", "--no-deps", name)
    # `backoff` calls what Python 3.14 deprecates; that is why it is not required there.
    session.run("pytest", "-W", "ignore:.*iscoroutinefunction:DeprecationWarning", "tests/call", "tests/client")


@nox.session(python=PRESENT[0], default=False)
def lowest(session: nox.Session) -> None:
    """Test with the lowest version of each package that pyproject.toml allows, on the oldest Python."""
    resolved = ("uv", "pip", "compile", "--quiet", "--resolution", "lowest-direct", "pyproject.toml")
    requirements = session.create_tmp() + "/requirements.txt"
    session.run(*resolved, "--all-extras", "--python", PRESENT[0], "--output-file", requirements, external=True)
    session.install("--requirement", requirements, "--no-deps", "--editable", ".")
    # What these tests do without requires newer versions itself.
    tools = [tool for tool in nox.project.dependency_groups(GROUPS, "test") if "schemathesis" not in tool]
    session.install(*tools, "--constraint", requirements)
    session.run("pytest", *(f"tests/{folder}" for folder in ("bulk", "call", "client", "database", "order_files")))


@nox.session(python=NEWEST, default=False)
def audit(session: nox.Session) -> None:
    """Look the versions of the constraints file up among known vulnerabilities; needs the network."""
    session.install("pip-audit>=2.9")
    session.run("pip-audit", "--requirement", "constraints.txt", "--no-deps", "--disable-pip")


@nox.session(python=NEWEST, default=False)
def kill(session: nox.Session) -> None:
    """Kill a bulk run at 300 points and resume it each time; takes half an hour."""
    install(session, "test", compiled=True)
    session.run("python", "-m", "tests.support.kill_harness", "--points", "300", *session.posargs)


@nox.session(python=NEWEST, default=False)
def long(session: nox.Session) -> None:
    """Run the tests that take minutes."""
    install(session, "codegen", "examples", "test", compiled=True)
    session.run("pytest", "-m", "long", "--timeout=3600", *session.posargs)
    session.run("python", "-m", "tests.support.readings", "--quiet", "--numprocesses=auto")


@nox.session(python=NEWEST, default=False)
def mutation(session: nox.Session) -> None:
    """Mutate the comparison of descriptions and list the mutants that no test kills; takes an hour."""
    install(session, "codegen", "test", compiled=True)
    session.install("mutmut>=3")
    session.run("mutmut", "run", *session.posargs)
    session.run("mutmut", "results")


@nox.session(python=NEWEST, default=False)
def bench(session: nox.Session) -> None:
    """Measure the speed beside that of other clients; slow; run it on an otherwise idle machine."""
    # Not the versions of the constraints file: openapi-python-client requires an older typer.
    session.install("--editable", f".[{EXTRAS}]", *nox.project.dependency_groups(GROUPS, "bench"))
    session.run("python", "-m", "benchmarks", *session.posargs)
