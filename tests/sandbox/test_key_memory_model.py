"""The sandbox's memory of idempotency keys against a list of everything that ever came."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from kaspi_delivery_async.sandbox.state.idempotency_keys import KEY_LIFE, KeyConflictError, KeyMemory, StoredResponse

pytestmark = pytest.mark.newest

OWNERS, KEYS, PAYLOADS = st.sampled_from("xy"), st.sampled_from("abc"), st.sampled_from([b"1", b"2"])
HOURS = st.sampled_from([0.0, 1.0, 12.0, 23.0, 24.0])


class KeyMemoryMachine(RuleBasedStateMachine):
    """Sends requests under keys, as time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = KeyMemory()
        self.stored: list[StoredResponse] = []
        self.now = 0.0

    @rule(hours=HOURS)
    def pass_time(self, hours: float) -> None:
        self.now += hours * 3600

    @rule(owner=OWNERS, key=KEYS, payload=PAYLOADS)
    def request(self, owner: str, key: str, payload: bytes) -> None:
        young = [
            one for one in self.stored if (one.owner, one.key) == (owner, key) and self.now - one.at < KEY_LIFE
        ]  # fmt: skip
        try:
            recalled = self.memory.recall(owner, key, fingerprint=payload, now=self.now)
        except KeyConflictError:
            assert young[-1].fingerprint != payload
            return
        assert recalled == (young[-1] if young else None)
        if recalled is None:
            response = StoredResponse(
                owner=owner, key=key, fingerprint=payload, status=201, body=b"%d" % len(self.stored), at=self.now
            )
            self.stored.append(response)
            self.memory.remember(response)

    @rule()
    def clear(self) -> None:
        self.memory.clear()
        self.stored.clear()


TestKeyMemory = KeyMemoryMachine.TestCase
TestKeyMemory.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
