"""Spans, history and pages of the archive."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.errors import BridgeError, Trouble
from bridge.store import REACTION, RETRACTION, TOMBSTONE, ArchivedMessage
from bridge.store.archive import COUNT, LAST_ID, READ, PageQuery, clip, merge
from bridge.store.values import PAGE_LIMIT

GW = "irc.example.org"
ROOM = "#balcony%irc.example.net"
ROMEO = "romeo@montague.lit"
JULIET = "juliet@capulet.lit"


def message(id: int, nick: str = "mercutio", room: str = ROOM) -> ArchivedMessage:
    return ArchivedMessage(room=room, id=id, nick=nick, body=f"message {id}")


def fill(store, ids, room=ROOM):
    for id in ids:
        assert store.append(GW, message(id, room=room))


def ids(messages) -> list[int]:
    return [one.id for one in messages]


def test_append_is_read_back_whole(desk):
    """What was archived comes back as it was."""
    store = desk.open()
    kept = ArchivedMessage(
        room=ROOM,
        id=7,
        nick="mercutio",
        identity="~m@host",
        kind="emote",
        body="né\n☕",
        origin="o",
        data=b"\0\xff",
    )
    store.open_span(GW, ROOM, ROMEO, 1)
    store.append(GW, kept)
    assert desk.wait(store.history(GW, ROOM, ROMEO, 10)) == [kept]
    store = desk.reopen(store)
    assert desk.wait(store.page(GW, ROOM, ROMEO, limit=10)).messages == (kept,)


def test_history_is_limited_to_the_users_spans(desk):
    """A user sees what was said while he was in, and nothing else."""
    store = desk.open()
    fill(store, [1, 2])
    store.open_span(GW, ROOM, ROMEO, 3)
    fill(store, [3, 4])
    store.close_span(GW, ROOM, ROMEO, 4)
    fill(store, [5, 6])
    store.open_span(GW, ROOM, ROMEO, 7)
    fill(store, [7, 8])
    assert ids(desk.wait(store.history(GW, ROOM, ROMEO, 10))) == [3, 4, 7, 8]
    assert ids(desk.wait(store.history(GW, ROOM, ROMEO, 3))) == [4, 7, 8]
    assert ids(desk.wait(store.history(GW, ROOM, ROMEO, 10, since=4))) == [4, 7, 8]
    assert ids(desk.wait(store.history(GW, ROOM, ROMEO, 0))) == []
    assert ids(desk.wait(store.history(GW, ROOM, JULIET, 10))) == []
    assert ids(desk.wait(store.history("other.example.org", ROOM, ROMEO, 10))) == []


def test_has_history_tells_newcomers_from_others_without_a_query(desk):
    """The join of a newcomer asks the database nothing."""
    store = desk.open()
    assert not store.has_history(GW, ROOM, ROMEO)
    store.open_span(GW, ROOM, ROMEO, 1)
    fill(store, [1])
    assert store.has_history(GW, ROOM, ROMEO)
    assert not store.has_history(GW, ROOM, JULIET)
    store = desk.reopen(store)
    assert store.has_history(GW, ROOM, ROMEO)
    assert not store.has_history("other.example.org", ROOM, ROMEO)


def test_spans_left_open_by_a_crash_end_with_the_rooms_last_message(desk):
    """What is said while the bridge is down or the user is not back is not his."""
    store = desk.open()
    store.open_span(GW, ROOM, ROMEO, 1)
    fill(store, [1, 2])
    store.open_span(GW, ROOM, JULIET, 3)
    store = desk.reopen(store)
    fill(store, [3])
    assert ids(desk.wait(store.history(GW, ROOM, ROMEO, 10))) == [1, 2]
    assert not store.has_history(GW, ROOM, JULIET)


def test_span_opened_again_at_the_same_message_is_open(desk):
    """Leaving and entering while nothing is said ends nothing."""
    store = desk.open()
    store.open_span(GW, ROOM, ROMEO, 5)
    store.close_span(GW, ROOM, ROMEO, 4)
    store.open_span(GW, ROOM, ROMEO, 5)
    fill(store, [5])
    assert ids(desk.wait(store.history(GW, ROOM, ROMEO, 10))) == [5]


def test_append_of_a_known_id_is_ignored(desk):
    """A batch that is written twice is stored once."""
    store = desk.open()
    store.open_span(GW, ROOM, ROMEO, 1)
    fill(store, [1, 1, 2])
    desk.wait(store.flush())
    fill(store, [2])
    assert desk.wait(store.page(GW, ROOM, ROMEO, limit=10)).total == 2


@pytest.fixture
def full(desk):
    """A room with messages 10, 20 … 100, all Romeo's to read, 50 and 60 by the nurse."""
    store = desk.open()
    store.open_span(GW, ROOM, ROMEO, 1)
    for id in range(10, 101, 10):
        store.append(GW, message(id, "nurse" if id in (50, 60) else "mercutio"))
    return lambda **query: desk.wait(store.page(GW, ROOM, ROMEO, **query))


@pytest.mark.spec("XEP-0059 §2.2")
def test_page_first_then_after_goes_through_everything_once(full):
    """Paging forward omits nothing, repeats nothing, and says when it ends."""
    first = full(limit=4)
    assert (ids(first.messages), first.complete, first.total, first.first_index) == (
        [10, 20, 30, 40],
        False,
        10,
        0,
    )
    second = full(limit=4, after=40)
    assert (ids(second.messages), second.complete, second.first_index) == ([50, 60, 70, 80], False, 4)
    third = full(limit=4, after=80)
    assert (ids(third.messages), third.complete, third.first_index) == ([90, 100], True, 8)
    end = full(limit=4, after=100)
    assert (ids(end.messages), end.complete, end.total, end.first_index) == ([], True, 10, 0)


@pytest.mark.spec("XEP-0059 §2.3")
def test_page_last_then_before_goes_backward(full):
    """The last page and those before it come oldest message first."""
    last = full(limit=4, last_page=True)
    assert (ids(last.messages), last.complete, last.first_index) == ([70, 80, 90, 100], False, 6)
    before = full(limit=7, before=70)
    assert (ids(before.messages), before.complete, before.first_index) == ([10, 20, 30, 40, 50, 60], True, 0)


@pytest.mark.spec("XEP-0313 §4.1.2")
def test_page_with_times_includes_both_ends(full):
    """Messages exactly at the given times belong to the result."""
    page = full(limit=10, start=20, end=40)
    assert (ids(page.messages), page.total, page.complete) == ([20, 30, 40], 3, True)
    assert ids(full(limit=10, start=21, end=39).messages) == [30]
    assert ids(full(limit=10, start=40, end=20).messages) == []


@pytest.mark.spec("XEP-0313 §4.1.1")
def test_page_with_nick_shows_that_authors_messages(full):
    """A filter by author counts and pages within the filter."""
    page = full(limit=1, with_nick="nurse")
    assert (ids(page.messages), page.total, page.complete, page.first_index) == ([50], 2, False, 0)
    page = full(limit=1, with_nick="nurse", after=50)
    assert (ids(page.messages), page.total, page.complete, page.first_index) == ([60], 2, True, 1)
    assert full(limit=5, with_nick="tybalt").total == 0


@pytest.mark.spec("XEP-0313 §4.1.3")
def test_page_between_ids_filters_and_pages_forward(full):
    """`before_id` and `after_id` narrow the result without turning the direction."""
    page = full(limit=2, after_id=20, before_id=70)
    assert (ids(page.messages), page.total, page.complete) == ([30, 40], 4, False)
    page = full(limit=2, after_id=20, before_id=70, last_page=True)
    assert (ids(page.messages), page.total, page.first_index) == ([50, 60], 4, 2)
    assert ids(full(limit=9, ids=[30, 90, 10]).messages) == [10, 30, 90]


@pytest.mark.spec("XEP-0059 §2.6")
def test_page_of_no_messages_counts(full):
    """A client may ask for the number alone."""
    page = full(limit=0)
    assert (page.messages, page.total, page.complete) == ((), 10, False)
    assert full(limit=0, after=100).complete


@pytest.mark.spec("XEP-0313 §4.3.2")
@pytest.mark.parametrize(
    "query",
    [
        {"after": 15},
        {"before": 15},
        {"after_id": 15},
        {"before_id": 15},
        {"ids": [10, 15]},
        {"after": LAST_ID},
    ],
)
def test_page_at_an_unknown_id_is_not_found(full, query):
    """A client whose message is gone is told, so that it starts anew."""
    with pytest.raises(BridgeError) as error:
        full(limit=5, **query)
    assert error.value.trouble is Trouble.NOT_FOUND


def test_page_at_an_id_outside_of_the_spans_is_not_found(desk):
    """Nobody learns whether a message he may not read exists."""
    store = desk.open()
    fill(store, [1])
    store.open_span(GW, ROOM, ROMEO, 2)
    fill(store, [2])
    with pytest.raises(BridgeError) as error:
        desk.wait(store.page(GW, ROOM, ROMEO, limit=5, after=1))
    assert error.value.trouble is Trouble.NOT_FOUND


def test_page_of_an_unknown_room_is_empty(desk):
    """An archive without messages is no error."""
    store = desk.open()
    page = desk.wait(store.page(GW, "#nowhere%x", ROMEO, limit=5))
    assert (page.messages, page.complete, page.total, page.first_index) == ((), True, 0, 0)


def test_page_limit_is_bounded(sqlite_desk):
    """No query returns more than a page may hold."""
    store = sqlite_desk.open()
    store.open_span(GW, ROOM, ROMEO, 1)
    fill(store, range(1, PAGE_LIMIT + 3))
    page = sqlite_desk.wait(store.page(GW, ROOM, ROMEO, limit=10**9))
    assert (len(page.messages), page.complete) == (PAGE_LIMIT, False)
    assert len(sqlite_desk.wait(store.history(GW, ROOM, ROMEO, 10**9))) == PAGE_LIMIT
    with pytest.raises(BridgeError) as error:
        store.page(GW, ROOM, ROMEO, limit=1, ids=range(PAGE_LIMIT + 1))
    assert error.value.trouble is Trouble.NOT_ACCEPTABLE


def test_page_over_very_many_spans_is_whole(desk):
    """Somebody who came and went all the time still reads what was his."""
    store = desk.open()
    for id in range(1, 700):
        if id % 2:
            store.open_span(GW, ROOM, ROMEO, id)
            store.close_span(GW, ROOM, ROMEO, id)
        store.append(GW, message(id))
    page = desk.wait(store.page(GW, ROOM, ROMEO, limit=3, after=401))
    assert (ids(page.messages), page.total, page.first_index) == ([403, 405, 407], 350, 201)


def test_prune_deletes_the_oldest_in_slices_and_the_spans_they_emptied(desk):
    """Retention removes what is too old, a little at a time."""
    store = desk.open()
    store.open_span(GW, ROOM, ROMEO, 1)
    fill(store, range(1, 11))
    store.close_span(GW, ROOM, ROMEO, 4)
    store.open_span(GW, ROOM, ROMEO, 5)
    counts = [desk.wait(store.prune(before=7, limit=4)) for _ in range(3)]
    assert counts == [4, 2, 0]
    assert ids(desk.wait(store.history(GW, ROOM, ROMEO, 10))) == [7, 8, 9, 10]
    spans = desk.wait(store._writer.ask(lambda connection, _: connection.execute("SELECT first FROM span")))
    assert spans == [(5,)]


@pytest.mark.parametrize("nick", ["", " AND nick = ?"])
def test_queries_of_the_archive_use_the_rooms_index(sqlite_desk, nick):
    """A page costs the same in an archive of a million messages."""
    store = sqlite_desk.open()
    more = ["n"] if nick else []
    for sql, params in (
        (READ.format(nick=nick, order="DESC"), [1, 1, 2, *more, 3]),
        (COUNT.format(nick=nick, ranges="(?, ?, ?), (?, ?, ?)"), [0, 1, 2, 1, 4, 5, 1, *more]),
    ):
        explain = f"EXPLAIN QUERY PLAN {sql}"
        plan = sqlite_desk.wait(
            store._writer.ask(
                lambda connection, _, sql=explain, params=params: connection.execute(sql, params)
            )
        )
        steps = [row[3] for row in plan if "message" in row[3]]
        assert len(steps) == 1
        assert "INDEX message_by_room (room=? AND id>? AND id<?)" in steps[0]


RANGES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8).map(sorted)


@given(RANGES, st.none() | st.integers(0, 40), st.none() | st.integers(0, 40))
def test_merge_and_clip_keep_the_set_of_ids(ranges, low, high):
    """Merged ranges mean what they meant, apart from each other and in order."""
    merged = clip(merge(ranges), low, high)
    wanted = {id for first, last in ranges for id in range(first, last + 1)}
    wanted = {id for id in wanted if (low is None or id >= low) and (high is None or id <= high)}
    assert {id for first, last in merged for id in range(first, last + 1)} == wanted
    assert all(left[1] + 1 < right[0] for left, right in itertools.pairwise(merged))


MOST = 40
IDS = st.integers(1, MOST)
OPTIONAL = st.none() | IDS
QUERIES = st.builds(
    dict,
    limit=st.integers(0, 12),
    start=OPTIONAL,
    end=OPTIONAL,
    after=OPTIONAL,
    before=OPTIONAL,
    last_page=st.booleans(),
    with_nick=st.none() | st.sampled_from("ab"),
    after_id=OPTIONAL,
    before_id=OPTIONAL,
    ids=st.none() | st.none() | st.frozensets(IDS, max_size=5),
)


def naive_page(messages, spans, query):
    """Return (ids, complete, total, first index) by the words of the specifications; None: not found."""
    readable = [m for m in messages if any(first <= m.id <= last for first, last in spans)]
    known = {m.id for m in readable}
    named = {query[name] for name in ("after", "before", "after_id", "before_id")} | (query["ids"] or set())
    if not named - {None} <= known:
        return None
    matching = [
        m.id
        for m in readable
        if (query["start"] is None or m.id >= query["start"])
        and (query["end"] is None or m.id <= query["end"])
        and (query["with_nick"] is None or m.nick == query["with_nick"])
        and (query["after_id"] is None or m.id > query["after_id"])
        and (query["before_id"] is None or m.id < query["before_id"])
        and (query["ids"] is None or m.id in query["ids"])
    ]
    wanted = [
        id
        for id in matching
        if (query["after"] is None or id > query["after"])
        and (query["before"] is None or id < query["before"])
    ]
    limit = query["limit"]
    backward = query["last_page"] or query["before"] is not None
    page = (wanted[-limit:] if limit else []) if backward else wanted[:limit]
    return page, len(wanted) <= limit, len(matching), matching.index(page[0]) if page else 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    messages=st.dictionaries(IDS, st.sampled_from("ab"), max_size=25),
    spans=st.lists(st.tuples(st.integers(0, MOST), st.integers(0, MOST)), max_size=6),
    queries=st.lists(QUERIES, min_size=1, max_size=6),
    exact=st.booleans(),
)
def test_page_equals_a_naive_reading_of_the_specifications(desk, messages, spans, queries, exact):
    """Whatever the spans, filters and paging, the answer is that of a plain list."""
    store = desk.stores[0] if desk.stores else desk.open()
    base = (store.last_id() // 1000 + 1) * 1000
    store._last_id = base + 999
    room = f"#r{base}%x"
    kept = [message(base + id, messages[id], room) for id in sorted(messages)]
    for one in kept:
        store.append(GW, one)
    for first, last in spans:
        store.open_span(GW, room, ROMEO, base + first)
        store.close_span(GW, room, ROMEO, base + last)
    spans = {first: last for first, last in spans}
    shifted = [(base + first, base + last) for first, last in spans.items()]
    for query in queries:
        if exact:
            query = {**query, **{name: None for name in ("after_id", "before_id", "ids")}}
        moved = {
            name: value
            if value is None or name in ("limit", "last_page", "with_nick")
            else frozenset(base + id for id in value)
            if name == "ids"
            else base + value
            for name, value in query.items()
        }
        expected = naive_page(kept, shifted, moved)
        try:
            page = desk.wait(store.page(GW, room, ROMEO, **moved))
        except BridgeError as error:
            assert expected is None and error.trouble is Trouble.NOT_FOUND
        else:
            assert (ids(page.messages), page.complete, page.total, page.first_index) == expected


def test_page_query_pages_backward_for_before():
    """An RSM <before/> with or without an id turns the direction."""
    assert PageQuery(limit=1, before=3).backward
    assert PageQuery(limit=1, last_page=True).backward
    assert not PageQuery(limit=1, after=3, before_id=9).backward


def test_tombstone_takes_the_words_and_keeps_the_place(desk):
    """Also of a message that is written at the same time; nothing but a message is ever buried."""
    store = desk.open()
    store.open_span(GW, ROOM, ROMEO, 1)
    stone = ArchivedMessage(room=ROOM, id=2, nick="", kind=TOMBSTONE, data=b"why")
    fill(store, [1, 2])
    store.append(GW, ArchivedMessage(room=ROOM, id=3, nick="mercutio", kind=RETRACTION, data=b"who"))
    for one in (stone, replace(stone, data=b"again"), replace(stone, id=3), replace(stone, id=9)):
        store.append(GW, one)
    store.append(GW, replace(stone, id=1, room="#other%irc.example.net"))
    page = desk.wait(store.page(GW, ROOM, ROMEO, limit=10))
    assert ids(page.messages) == [1, 2, 3] and page.total == 3
    assert page.messages[0] == message(1)
    buried = page.messages[1]
    assert (buried.nick, buried.kind, buried.body, buried.data) == ("mercutio", TOMBSTONE, "", b"why")
    assert page.messages[2].data == b"who"
    assert ids(desk.wait(store.page(GW, ROOM, ROMEO, limit=1, after=2)).messages) == [3]


def test_history_on_joining_has_words_only(desk):
    """As many as are wanted, whatever was done between them."""
    store = desk.open()
    store.open_span(GW, ROOM, ROMEO, 1)
    fill(store, [1, 2, 4])
    for id, kind in ((3, REACTION), (5, RETRACTION), (4, TOMBSTONE)):
        store.append(GW, ArchivedMessage(room=ROOM, id=id, nick="mercutio", kind=kind))
    assert ids(desk.wait(store.history(GW, ROOM, ROMEO, 2))) == [1, 2]
