"""Vector-quantized VAE (van den Oord et al., NeurIPS 2017): a heart in a few words of a codebook.

The code is cut into tokens, and each is replaced by the nearest word before it is decoded. A
recurrent network learns which words follow each other: the discrete prior, from which hearts are
drawn. Between words nothing changes, so codes can be moved and averaged like those of any model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from cardiovae.errors import ConfigError
from cardiovae.prior.network import Learned, PointNetwork

if TYPE_CHECKING:
    from cardiovae.prior.augment import Batch
    from cardiovae.prior.state import ObjectiveConfig


class VectorQuantizedVAE(PointNetwork):
    """Codes of `n_tokens` tokens, each one of `n_words` words.

    Args:
        latent_dim: Number of latent dimensions D, a multiple of `n_tokens`.
        width: As in `ShapeNetwork`.
        n_tokens: Tokens of a code.
        n_words: Words of the codebook, which all tokens share.
    """

    def __init__(
        self, latent_dim: int = 48, width: int = 24, *, n_tokens: int = 16, n_words: int = 256
    ) -> None:
        if latent_dim % n_tokens:
            raise ConfigError(
                f"train.latent_dim is {latent_dim}: the model vq-vae cuts it into n_tokens = "
                f"{n_tokens} equal tokens; give a multiple"
            )
        super().__init__(latent_dim, width)
        self.n_tokens = n_tokens
        self.words = nn.Parameter(torch.randn(n_words, latent_dim // n_tokens) * 0.5)
        self.next_word = NextWord(n_words)

    def words_of(self, z: Tensor) -> Tensor:
        """Indices (N, tokens) of the words nearest to codes (N, D)."""
        tokens = z.reshape(len(z), self.n_tokens, -1)
        words = self.words.expand(len(z), -1, -1)
        return torch.cdist(tokens, words).argmin(2)

    def spelled(self, indices: Tensor) -> Tensor:
        """Codes (N, D) of words (N, tokens)."""
        return self.words[indices].flatten(1)

    def decode(self, z: Tensor, known: Tensor | None = None) -> Tensor:
        """Signed distances (N, 3, 64, 48) in mm of codes (N, D), by their nearest words.

        The gradient passes to the code as if there were no words (straight-through estimator).
        """
        nearest = self.spelled(self.words_of(z))
        return super().decode(z + (nearest - z).detach())

    def learn(self, batch: Batch, weights: ObjectiveConfig, generator: torch.Generator) -> Learned:
        """Decode the words of a batch; move words to codes, codes to words; learn their order."""
        z = self.encode(batch.inputs).mu
        indices = self.words_of(z)
        nearest = self.spelled(indices)
        terms = {
            "codebook": functional.mse_loss(nearest, z.detach()),
            "commitment": functional.mse_loss(z, nearest.detach()),
            "words": self.next_word.loss(indices),
        }
        return Learned(self.decode(z), terms)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """`n` codes (n, D), word after word."""
        return self.spelled(self.next_word.sample(n, self.n_tokens, generator)).detach()


class NextWord(nn.Module):
    """A recurrent network that tells the odds of each word from those before it."""

    def __init__(self, n_words: int, size: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_words + 1, size)  # the last one opens every code
        self.memory = nn.GRU(size, size, batch_first=True)
        self.odds = nn.Linear(size, n_words)

    def loss(self, indices: Tensor) -> Tensor:
        """Mean cross-entropy of words (N, tokens) in nats per word."""
        opening = torch.full_like(indices[:, :1], self.odds.out_features)
        before = torch.cat([opening, indices[:, :-1]], 1)
        odds = self.odds(self.memory(self.embedding(before))[0])
        return functional.cross_entropy(odds.flatten(0, 1), indices.flatten())

    def sample(self, n: int, n_tokens: int, generator: torch.Generator) -> Tensor:
        """`n` texts of `n_tokens` words, shape (n, tokens)."""
        last = torch.full((n, 1), self.odds.out_features)
        state, words = None, []
        with torch.no_grad():
            for _ in range(n_tokens):
                out, state = self.memory(self.embedding(last), state)
                odds = torch.softmax(self.odds(out[:, 0]), 1)
                last = torch.multinomial(odds, 1, generator=generator)
                words.append(last)
        return torch.cat(words, 1)


MODEL = VectorQuantizedVAE
