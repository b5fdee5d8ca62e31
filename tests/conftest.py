import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Daemon  # noqa: E402


@pytest.fixture
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make(folder):
    """make(virtual=…, disks=…): a daemon in this test's folder, started; what is still running is killed at the end."""
    made = []

    def one(name="", start=True, **options):
        d = Daemon(folder / name if name else folder, **options)
        made.append(d)
        return d.start() if start else d

    yield one
    for d in made:
        if d.process:
            d.kill()


@pytest.fixture
def daemon(make):
    d = make()
    yield d
    if d.process:
        d.stop()
