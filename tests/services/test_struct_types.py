"""What msgspec knows of structs is complete before threads use them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stocky.worker.process import run_worker
from tests.services.threads_of_a_child import STRUCTS, THREADS, Used, UseTogether
from tests.serving import ROOT

# Threads whose first uses of a struct coincide; msgspec crashes the process where it has not inspected it before.
_SCRIPT = """
import sys, threading
import msgspec
import stocky.app
from stocky import struct_types

def use(struct, barrier):
    barrier.wait()
    try:
        msgspec.convert(dict.fromkeys(struct.__struct_encode_fields__), struct)
    except msgspec.ValidationError:
        pass

struct_types.inspect_structs()
structs = [struct for struct, can_be_used in struct_types._inspected.items() if can_be_used]
assert len(structs) > 300
sys.setswitchinterval(1e-6)
for struct in structs:
    barrier = threading.Barrier(4)
    threads = [threading.Thread(target=use, args=(struct, barrier)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


@pytest.mark.one_database
def test_threads_may_use_a_struct_for_the_first_time_together() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


async def test_threads_of_a_child_may_use_a_struct_for_the_first_time_together() -> None:
    used = await run_worker(UseTogether(), Used, lambda *_: None)
    assert used.objects == len(STRUCTS) * THREADS
