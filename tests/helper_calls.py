"""Functions that tests have called in a helper process, which must be able to import them."""

from __future__ import annotations

import os
import sys
import time

from orchestration.helper_process import Tell


def process_id(_tell: Tell) -> int:
    return os.getpid()


def double(tell: Tell, number: int) -> int:
    sys.stdout.write("what is printed does not come between the answers")
    tell(number, "doubled")
    return 2 * number


def fail(_tell: Tell, message: str) -> None:
    raise ValueError(message)


def die(_tell: Tell) -> None:
    os._exit(7)


def sleep_for_a_minute(_tell: Tell) -> None:
    time.sleep(60)
