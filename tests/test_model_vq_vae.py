"""Words of the codebook: who is nearest, who moves, what comes next."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from prior_cases import small_table

from cardiovae.errors import ConfigError
from cardiovae.prior.augment import AugmentConfig, draw_batch
from cardiovae.prior.models.vq_vae import NextWord, VectorQuantizedVAE
from cardiovae.prior.state import ObjectiveConfig


@pytest.fixture
def model():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return VectorQuantizedVAE(8, 8, n_tokens=4, n_words=6).eval()


@pytest.fixture(scope="module")
def batch():
    return draw_batch(small_table(), np.arange(4), AugmentConfig(), np.random.default_rng(0))


def test_each_token_takes_the_nearest_word(model):
    z = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    words = model.words.detach().numpy()
    for row, found in zip(z.numpy(), model.words_of(z).numpy(), strict=True):
        for token, index in zip(row.reshape(4, 2), found, strict=True):
            assert index == np.argmin(((words - token) ** 2).sum(1))


def test_decoding_sees_words_alone(model):
    z = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
    spelled = model.spelled(model.words_of(z))
    assert torch.equal(model.words_of(spelled), model.words_of(z))
    torch.testing.assert_close(model.decode(z), model.decode(spelled))


def test_the_gradient_passes_the_words_as_if_there_were_none(model):
    z = torch.randn(1, 8, generator=torch.Generator().manual_seed(2)).requires_grad_(True)
    model.decode(z)[0, 0, 30, 20].backward()
    word = model.spelled(model.words_of(z)).detach().requires_grad_(True)
    decoded = 10 * model.decoder(model.from_code(word))
    decoded[0, 0, 30, 20].backward()
    torch.testing.assert_close(z.grad, word.grad)


@pytest.mark.parametrize(("term", "moves_words"), [("codebook", True), ("commitment", False)])
def test_words_move_to_codes_and_codes_to_words_never_both(model, batch, term, moves_words):
    learned = model.learn(batch, ObjectiveConfig(), torch.Generator())
    learned.terms[term].backward()
    assert (model.words.grad is not None) == moves_words
    assert (model.to_posterior.weight.grad is not None) != moves_words


def test_both_terms_are_the_mean_squared_distance_to_the_nearest_word(model, batch):
    terms = model.learn(batch, ObjectiveConfig(), torch.Generator()).terms
    z = model.encode(batch.inputs).mu.detach().numpy().reshape(4, 4, 1, 2)
    apart = ((z - model.words.detach().numpy()) ** 2).sum(-1).min(-1).mean() / 2
    assert float(terms["codebook"].detach()) == pytest.approx(apart, rel=1e-4)
    assert float(terms["commitment"].detach()) == pytest.approx(apart, rel=1e-4)


def test_a_prior_that_knows_nothing_pays_the_logarithm_of_the_number_of_words():
    prior = NextWord(6)
    for parameter in prior.parameters():
        parameter.data.zero_()
    indices = torch.tensor([[0, 1, 2], [5, 5, 5]])
    assert float(prior.loss(indices).detach()) == pytest.approx(math.log(6))


def test_the_prior_learns_an_order_and_draws_by_it():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        prior = NextWord(4, size=16)
    texts = torch.tensor([[0, 1, 2, 3], [2, 3, 0, 1]])
    optimizer = torch.optim.Adam(prior.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        prior.loss(texts).backward()
        optimizer.step()
    assert float(prior.loss(texts).detach()) == pytest.approx(
        math.log(2) / 4, abs=0.02
    )  # which of two
    drawn = prior.sample(200, 4, torch.Generator().manual_seed(0)).tolist()
    share = sum(text == [0, 1, 2, 3] for text in drawn) / 200
    assert sum(text in texts.tolist() for text in drawn) > 190
    assert 0.35 < share < 0.65


def test_drawn_codes_are_words(model):
    drawn = model.sample(7, torch.Generator().manual_seed(0))
    assert torch.equal(drawn, model.spelled(model.words_of(drawn)))


def test_tokens_that_do_not_divide_the_code_are_refused():
    with pytest.raises(ConfigError, match="give a multiple"):
        VectorQuantizedVAE(9, 8, n_tokens=4)
