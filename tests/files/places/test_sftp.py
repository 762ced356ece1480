from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncssh
import pytest

from mainstem.connections import connection_of
from mainstem.errors import ConnectError, ConnectionConfigError, EndpointError
from mainstem.files.places import Place, open_place
from mainstem.testing.conformance_places import PlaceConformance, put
from mainstem.testing.postgres import free_port
from mainstem.testing.sftp import EmbeddedSftp


class TestSftp(PlaceConformance):
    @pytest.fixture
    def place(self, sftp: EmbeddedSftp) -> Iterator[Place]:
        folder = f"/{uuid4().hex}"
        (sftp.root / folder[1:]).mkdir()
        with open_place(connection_of("MY_SFTP", sftp.connection(folder))) as place:
            yield place


def test_a_stream_that_is_a_url_names_the_whole_path(sftp: EmbeddedSftp) -> None:
    name = uuid4().hex
    with open_place(connection_of("MY_SFTP", sftp.connection())) as place:
        put(place, f"sftp://127.0.0.1/{name}/a.csv", b"x")
        assert (sftp.root / name / "a.csv").read_bytes() == b"x"
        with pytest.raises(EndpointError, match=r"not on 127\.0\.0\.1, which connection MY_SFTP is for"):
            place.open("sftp://other.example/a.csv")


def test_a_wrong_password_is_told_without_it(sftp: EmbeddedSftp) -> None:
    given = {**sftp.connection(), "password": "wr0ng"}
    with open_place(connection_of("MY_SFTP", given)) as place:
        with pytest.raises(ConnectError, match="refused the credentials of connection MY_SFTP") as caught:
            place.list("/")
        assert "wr0ng" not in str(caught.value)


def test_nobody_listening_is_told() -> None:
    given = {"type": "sftp", "host": "127.0.0.1", "port": free_port(), "user": "a", "password": "b"}
    with pytest.raises(ConnectError, match=r"127\.0\.0\.1 cannot be reached by SSH"):
        open_place(connection_of("MY_SFTP", given)).list("/")


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
def test_a_key_opens_it_as_a_file_or_as_text(tmp_path: Path, kind: str) -> None:
    key = asyncssh.generate_private_key(kind)
    key_file = tmp_path / "key"
    key.write_private_key(key_file, passphrase="open sesame", rounds=50)
    public = key.export_public_key().decode()
    with EmbeddedSftp(tmp_path / "root", authorized_key=public) as server:
        login = {**server.connection(), "password": None, "passphrase": "open sesame"}
        for given in (str(key_file), key_file.read_text()):
            with open_place(connection_of("MY_SFTP", {**login, "private_key": given})) as place:
                put(place, "a.csv", b"x")
        wrong = {**login, "private_key": str(key_file), "passphrase": "no"}
        with pytest.raises(ConnectionConfigError, match="'private_key' cannot be read"):
            open_place(connection_of("MY_SFTP", wrong)).list("/")


def test_a_server_with_another_key_than_the_known_one_is_refused(sftp: EmbeddedSftp, tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{sftp.port} {other}")
    given = {**sftp.connection(), "known_hosts": str(known)}
    with pytest.raises(ConnectError, match="another host key than the one that is known"):
        open_place(connection_of("MY_SFTP", given)).list("/")


def test_strictly_an_unknown_server_is_refused(sftp: EmbeddedSftp, tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_text("")
    given = {**sftp.connection(), "known_hosts": str(tmp_path / "known_hosts")}
    with pytest.raises(ConnectError, match="known_hosts"):
        open_place(connection_of("MY_SFTP", {**given, "strict_host_key_checking": True})).list("/")


def test_a_server_that_goes_away_is_told_and_nothing_is_published(tmp_path: Path) -> None:
    with EmbeddedSftp(tmp_path / "root") as server:
        place = open_place(connection_of("MY_SFTP", server.connection()))
        put(place, "a.csv", b"old")
        writer = place.write("a.csv")
        writer.write(b"x" * 100_000)
    with pytest.raises(EndpointError, match=r"sftp://127\.0\.0\.1/~/a\.csv"):
        writer.commit()
    place.close()
    assert (server.root / "a.csv").read_bytes() == b"old"


def test_what_a_killed_run_left_is_swept_once_it_is_old(sftp: EmbeddedSftp) -> None:
    folder = sftp.root / uuid4().hex
    folder.mkdir()
    left = folder / ".0123456789abcdef.mainstem-writing"
    left.write_bytes(b"half")
    with open_place(connection_of("MY_SFTP", sftp.connection(f"/{folder.name}"))) as place:
        place.sweep("")
        assert left.exists()
        os.utime(left, (0, 0))
        place.sweep("")
        assert not left.exists()
