"""Functions that tests have called in a helper process, which must be able to import them."""

from __future__ import annotations

import os
import string
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from orchestration.helper_process import Tell


def process_id(_tell: Tell) -> int:
    return os.getpid()


def double(tell: Tell, number: int) -> int:
    sys.stdout.write("what is printed does not come between the answers")
    os.write(1, b"nor does what is written past Python")
    tell(number, "doubled")
    return 2 * number


def tell_from_threads(tell: Tell, threads: int, times: int, size: int) -> None:
    """Each thread tells ``times`` texts of ``size`` times its own letter."""
    with ThreadPoolExecutor(threads) as pool:
        for letter in string.ascii_letters[:threads]:
            pool.submit(lambda said=letter * size: [tell(said) for _ in range(times)])


def fail(_tell: Tell, message: str) -> None:
    raise ValueError(message)


def die(_tell: Tell) -> None:
    os._exit(7)


def sleep_for_a_minute(_tell: Tell) -> None:
    time.sleep(60)
