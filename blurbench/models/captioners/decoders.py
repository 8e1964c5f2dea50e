"""Decoders: from what was seen of a picture to the next word of its caption."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

END = 0  # before the first word, and after the last
# What a decoder remembers from word to word; each (N, ...), so that beams can be sorted.
State = tuple[Tensor, ...]


class Attention(nn.Module):
    """Additive attention (Bahdanau et al., 2015): which of some slots to look at."""

    def __init__(self, state: int, keys: int) -> None:
        """`state` and `keys` channels."""
        super().__init__()
        self.query = nn.Linear(state, keys)
        self.score = nn.Linear(keys, 1)

    def forward(
        self, h: Tensor, slots: Tensor, keys: Tensor, there: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(N, state), (N, K, C), (N, K, keys) -> the slots' mean (N, C), weights (N, K).

        `there` (N, K) tells which slots a picture has, where some have fewer.
        """
        scores = self.score(torch.tanh(keys + self.query(h)[:, None]))[..., 0]  # (N, K)
        if there is not None:
            scores = scores.masked_fill(~there, -torch.inf)
        weights = scores.softmax(1)
        return (weights[..., None] * slots).sum(1), weights


class Decoder(nn.Module, ABC):
    """Words as vectors, and vectors as logits of words."""

    def __init__(self, words: int, width: int, dropout: float) -> None:
        """`words` with the end; `width` of vectors and memory."""
        super().__init__()
        self.width = width
        self.embedding = nn.Embedding(words, width)
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(width, words)

    @abstractmethod
    def begin(self, image: Tensor, slots: Tensor) -> State:
        """Before the first word; image (N, channels) as a whole, slots (N, K, C) to look at."""

    @abstractmethod
    def step(self, word: Tensor, state: State) -> tuple[Tensor, State]:
        """After the word (N,) -> logits (N, words) of the next one, and the new state."""

    def penalty(self, state: State) -> Tensor:
        """What a caption costs beside its words, (N,), from the state after the last one."""
        return state[0].new_zeros(len(state[0]))

    def vector(self, word: Tensor) -> Tensor:
        """(N,) -> (N, width)."""
        out: Tensor = self.dropout(self.embedding(word))
        return out


class NIC(Decoder):
    """The picture is the first word (Vinyals et al., Show and Tell, 2015)."""

    def __init__(self, words: int, channels: int, width: int = 512, dropout: float = 0.5) -> None:
        """`channels` of the picture."""
        super().__init__(words, width, dropout)
        self.picture = nn.Linear(channels, width)
        self.lstm = nn.LSTMCell(width, width, bias=False)

    def begin(self, image: Tensor, slots: Tensor) -> State:  # noqa: ARG002
        """Show the picture once."""
        return tuple(self.lstm(self.picture(image)))

    def step(self, word: Tensor, state: State) -> tuple[Tensor, State]:
        """One step of the LSTM."""
        h, c = self.lstm(self.vector(word), state)
        return self.logits(self.dropout(h)), (h, c)


class Toronto(Decoder):
    """Attention to places of the picture (Xu et al., Show, Attend and Tell, 2015)."""

    def __init__(self, words: int, channels: int, width: int = 512, dropout: float = 0.5) -> None:
        """`channels` of the slots."""
        super().__init__(words, width, dropout)
        self.slots = nn.Sequential(nn.Linear(channels, width), nn.ReLU())
        self.first = nn.Linear(width, 2 * width)
        self.keys = nn.Linear(width, width)
        self.attention = Attention(width, width)
        self.lstm = nn.LSTMCell(2 * width, width)

    def begin(self, image: Tensor, slots: Tensor) -> State:  # noqa: ARG002
        """The memory is made of the mean place; nothing has been looked at."""
        there = slots.any(-1)  # pictures with fewer slots than others end in zeros
        slots = self.slots(slots)
        mean = (slots * there[..., None]).sum(1) / there.sum(1, keepdim=True)
        h, c = torch.tanh(self.first(mean)).chunk(2, 1)
        return h, c, slots, self.keys(slots), there, torch.zeros_like(slots[..., 0])

    def step(self, word: Tensor, state: State) -> tuple[Tensor, State]:
        """Look, then one step of the LSTM."""
        h, c, slots, keys, there, looked = state
        seen, weights = self.attention(h, slots, keys, there)
        h, c = self.lstm(torch.cat([self.vector(word), seen], 1), (h, c))
        return self.logits(self.dropout(h)), (h, c, slots, keys, there, looked + weights)

    def penalty(self, state: State) -> Tensor:
        """Doubly stochastic attention: over a caption, every place is looked at once."""
        there, looked = state[4:]
        return ((1 - looked) * there).square().sum(1)


class TopDown(Decoder):
    """One LSTM looks at regions, another speaks (Anderson et al., 2018)."""

    def __init__(
        self, words: int, channels: int, width: int = 1000, keys: int = 512, dropout: float = 0.5
    ) -> None:
        """`channels` of image and slots; `keys` of the attention."""
        super().__init__(words, width, dropout)
        self.picture = nn.Sequential(nn.Linear(channels, width), nn.ReLU())
        self.slots = nn.Sequential(nn.Linear(channels, width), nn.ReLU())
        self.keys = nn.Linear(width, keys)
        self.attention = Attention(width, keys)
        self.look = nn.LSTMCell(3 * width, width)
        self.speak = nn.LSTMCell(2 * width, width)

    def begin(self, image: Tensor, slots: Tensor) -> State:
        """Both memories are empty."""
        there, slots = slots.any(-1), self.slots(slots)
        empty = image.new_zeros(len(image), self.width)
        return empty, empty, empty, empty, self.picture(image), slots, self.keys(slots), there

    def step(self, word: Tensor, state: State) -> tuple[Tensor, State]:
        """Look with the first LSTM, speak with the second."""
        h1, c1, h2, c2, image, slots, keys, there = state
        h1, c1 = self.look(torch.cat([h2, image, self.vector(word)], 1), (h1, c1))
        seen, _ = self.attention(h1, slots, keys, there)
        h2, c2 = self.speak(torch.cat([seen, h1], 1), (h2, c2))
        return self.logits(self.dropout(h2)), (h1, c1, h2, c2, image, slots, keys, there)


class NodeDecoder(Decoder):
    """Attention to the nodes of a tree; the picture is the first word (S3E-Deblur, section 3.3)."""

    def __init__(self, words: int, channels: int, width: int = 512, dropout: float = 0.5) -> None:
        """`channels` of the picture; nodes come as vectors of `width`."""
        super().__init__(words, width, dropout)
        self.picture = nn.Linear(channels, width)
        self.keys = nn.Linear(width, width)
        self.attention = Attention(width, width)
        self.lstm = nn.LSTMCell(2 * width, width)

    def begin(self, image: Tensor, slots: Tensor) -> State:
        """Show the picture once, with a look at the nodes."""
        keys = self.keys(slots)
        empty = image.new_zeros(len(image), self.width)
        return self.say(self.picture(image), (empty, empty, slots, keys))

    def step(self, word: Tensor, state: State) -> tuple[Tensor, State]:
        """Look, then one step of the LSTM."""
        state = self.say(self.vector(word), state)
        return self.logits(self.dropout(state[0])), state

    def say(self, vector: Tensor, state: State) -> State:
        """The state after a vector (N, width)."""
        h, c, slots, keys = state  # (N, width) twice, (N, 7, width) twice
        seen, _ = self.attention(h, slots, keys)
        return (*self.lstm(torch.cat([vector, seen], 1), (h, c)), slots, keys)
