from __future__ import annotations

import pytest

from mainstem.connections import connection_of
from mainstem.errors import ConnectError, EndpointError, RelationNotFoundError
from mainstem.files.places import Place, open_place
from mainstem.testing.http import EmbeddedHttp, Served
from mainstem.testing.postgres import free_port

LARGE = bytes(range(256)) * 100_000


def place_of(web: EmbeddedHttp, **more: object) -> Place:
    return open_place(connection_of("WEB", {**web.connection(), **more}))


def test_a_file_is_read_by_its_path_or_its_url(web: EmbeddedHttp) -> None:
    web.files["/in/ä b.csv"] = Served(b"a\n1\n")
    for name in ("/in/ä b.csv", "in/ä b.csv", f"{web.url}/in/%C3%A4%20b.csv"):
        with place_of(web).open(name) as file:
            assert file.read() == b"a\n1\n"
        (found,) = place_of(web).list(name)
        assert (found.size, found.modified and found.modified.timestamp()) == (4, 1_700_000_000)


def test_a_large_file_is_read_by_ranges_and_can_be_sought(web: EmbeddedHttp) -> None:
    web.files["/large.bin"] = Served(LARGE)
    with place_of(web).open("/large.bin") as file:
        assert file.seekable()
        file.seek(-10, 2)
        assert file.read() == LARGE[-10:]
        file.seek(0)
        assert file.read() == LARGE
    assert {method for method, _, _ in web.asked} == {"HEAD", "GET"}


@pytest.mark.parametrize("served", [Served(LARGE, ranges=False), Served(LARGE, head=False)])
def test_a_server_that_knows_no_ranges_or_no_head_is_read_through(web: EmbeddedHttp, served: Served) -> None:
    web.files["/large.bin"] = served
    with place_of(web).open("/large.bin") as file:
        assert not file.seekable()
        assert file.read() == LARGE


def test_a_server_that_fails_for_a_while_is_asked_again(web: EmbeddedHttp) -> None:
    web.files["/a.csv"] = Served(b"a\n", fails=2)
    with place_of(web).open("/a.csv") as file:
        assert file.read() == b"a\n"


def test_a_server_that_goes_on_failing_is_told(web: EmbeddedHttp) -> None:
    web.files["/a.csv"] = Served(b"a\n", fails=1000)
    with pytest.raises(ConnectError, match=r"/a\.csv cannot be had, though it was tried several times"):
        place_of(web).open("/a.csv")


@pytest.mark.parametrize("ranges", [True, False])
def test_a_server_that_stalls_is_told_and_not_waited_for(web: EmbeddedHttp, ranges: bool) -> None:
    web.files["/a.bin"] = Served(LARGE, ranges=ranges, stalls_after=1000)
    with (
        place_of(web, timeout=0.5).open("/a.bin") as file,
        pytest.raises((EndpointError, ConnectError), match=r"a\.bin.*`timeout` on the connection"),
    ):
        file.read()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_server_that_sends_less_than_it_says_is_told(web: EmbeddedHttp, ranges: bool) -> None:
    web.files["/a.bin"] = Served(b"12345", ranges=ranges, said_length=8)
    with place_of(web).open("/a.bin") as file, pytest.raises(EndpointError, match=r"/a\.bin"):
        file.read()


def test_a_redirect_is_followed_and_a_circle_is_not(web: EmbeddedHttp) -> None:
    web.files["/old.csv"] = Served(redirect="/new.csv")
    web.files["/new.csv"] = Served(b"a\n")
    web.files["/round.csv"] = Served(redirect="/round.csv")
    with place_of(web).open("/old.csv") as file:
        assert file.read() == b"a\n"
    with pytest.raises(ConnectError, match=r"/round\.csv cannot be had"):
        place_of(web).open("/round.csv")


def test_a_login_is_sent_to_its_own_server_only(web: EmbeddedHttp) -> None:
    web.files["/a.csv"] = Served(b"a\n", login="me:p@ss word")
    with EmbeddedHttp() as other:
        other.files["/b.csv"] = Served(b"b\n")
        web.files["/away.csv"] = Served(redirect=f"{other.url}/b.csv")
        with place_of(web, user="me", password="p@ss word") as place:
            assert place.open("/a.csv").read() == b"a\n"
            assert place.open("/away.csv").read() == b"b\n"
        assert other.asked
        assert not any("Authorization" in headers for _, _, headers in other.asked)


def test_a_login_in_the_url_is_never_shown(web: EmbeddedHttp) -> None:
    web.files["/a.csv"] = Served(b"a\n", login="me:s3cret")
    url = web.url.replace("://", "://me:s3cret@")
    with open_place(connection_of("WEB", f"{url}/")) as place:
        assert place.open("/a.csv").read() == b"a\n"
        assert place.url("/a.csv?token=abc") == f"{web.url}/a.csv"
        with pytest.raises(RelationNotFoundError, match="says 404") as caught:
            place.open("/no.csv?token=s3cret")
    assert "s3cret" not in str(caught.value)


def test_a_refused_login_is_told(web: EmbeddedHttp) -> None:
    web.files["/a.csv"] = Served(b"a\n", login="me:pw")
    with pytest.raises(ConnectError, match="says 401: it refused the credentials of connection WEB"):
        place_of(web).open("/a.csv")


def test_a_file_that_is_replaced_while_it_is_read_is_no_mixture(web: EmbeddedHttp) -> None:
    web.files["/a.bin"] = Served(LARGE)
    with place_of(web).open("/a.bin") as file:
        file.read(10)
        web.files["/a.bin"] = Served(LARGE[::-1])
        with pytest.raises(EndpointError, match="was replaced while it was read"):
            file.read()


def test_another_server_and_files_that_are_not_named_are_refused(web: EmbeddedHttp) -> None:
    with pytest.raises(EndpointError, match="which connection WEB is for"):
        place_of(web).open("http://other.example/a.csv")
    with pytest.raises(EndpointError, match="Name each file"):
        place_of(web).matches("/in/*.csv")
    with pytest.raises(EndpointError, match="can be read only"):
        place_of(web).write("/a.csv")


def test_nobody_listening_is_told() -> None:
    place = open_place(connection_of("WEB", {"type": "http", "url": f"http://127.0.0.1:{free_port()}/"}))
    with pytest.raises(ConnectError, match="cannot be had"):
        place.open("/a.csv")
