"""Which guest listens for all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.events import ContactId, Enter, Occupant
from bridge.services.guests.company import Company
from bridge.services.guests.visit import State, Visit
from tests.bridge.services.guests.desk import DOMAIN, ROOM, Desk


@given(st.lists(st.sampled_from(State), max_size=6))
def test_first_who_is_in_listens(states):
    """Else the first who is about to be; nobody if there is none."""
    company = Company(ROOM, DOMAIN, Desk())
    for number, state in enumerate(states):
        visit = Visit(ContactId(f"{number}"), f"{number}@{DOMAIN}/guest", Enter(room=ROOM, nick=f"{number}"))
        visit.state = state
        company.visits[visit.guest] = visit
    company.settle()
    wanted = next((one for one in (State.INSIDE, State.ENTERING) if one in states), None)
    if wanted is None:
        assert company.listener is None
    else:
        assert company.listener is company.visits[ContactId(f"{states.index(wanted)}")]
    assert company.is_anybody_inside() is (State.INSIDE in states)


def test_own_people_are_known_by_their_address():
    """A hidden address tells nothing; one that only looks alike is another's."""
    company = Company(ROOM, DOMAIN, Desk())
    identities = {"": f"x@{DOMAIN}", f"a@{DOMAIN}/guest": f"a@{DOMAIN}", "a@x.example/y": f"a@x.{DOMAIN}x"}
    found = [
        company.is_ours(Occupant(nick="a", address=address, identity=identity))
        for address, identity in identities.items()
    ]
    assert found == [False, True, False]
