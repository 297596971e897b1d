"""Tokens: genuine, forged, expired."""

import pytest

from worldmodel.serve.tokens import Mint, TokenError


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_token_names_its_own_session():
    mint = Mint(60)
    names = {mint.check(mint.mint()).session for _ in range(50)}
    assert len(names) == 50


def test_an_expired_token_is_refused_unless_its_world_still_lives():
    clock = Clock()
    mint = Mint(60, clock)
    token = mint.mint()
    clock.now += 61
    with pytest.raises(TokenError, match="expired"):
        mint.check(token)
    assert mint.check(token, allow_expired=True).expires == 1060


@pytest.mark.parametrize("forged", ["", "a.b", "x.99999999999.sig", "é.1.é", "a.b.c.d"])
def test_a_forged_token_is_refused_even_where_an_expired_one_is_not(forged):
    with pytest.raises(TokenError, match="not from this server"):
        Mint(60).check(forged, allow_expired=True)


def test_no_other_server_mints_ours_and_no_field_can_be_changed():
    mint = Mint(60)
    session, expires, signature = mint.mint().split(".")
    for token in (Mint(60).mint(), f"{session}.{int(expires) + 1}.{signature}"):
        with pytest.raises(TokenError):
            mint.check(token)
