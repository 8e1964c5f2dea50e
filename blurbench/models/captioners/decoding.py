"""Training a decoder on captions, and writing with it."""

import torch
from torch import Tensor
from torch.nn import functional as F

from blurbench.models.captioners.decoders import END, Decoder, State

Caption = list[int]


def caption_loss(decoder: Decoder, state: State, words: Tensor, mixing: float = 0.0) -> Tensor:
    """Negative log likelihood of captions, summed over their words: (N,).

    `words` (N, T) ends in END, once or more. The decoder is told the true words so far, or, with
    chance `mixing`, one that it drew itself (scheduled sampling, Bengio et al., 2015).
    """
    told = torch.full_like(words[:, 0], END)
    open_ = torch.ones_like(words[:, 0], dtype=torch.bool)
    total = torch.zeros(len(words), device=words.device)
    for true in words.unbind(1):
        logits, state = decoder.step(told, state)
        loss = F.cross_entropy(logits.float(), true, reduction="none")
        # The first END counts, what fills the caption up after it does not.
        total = total + torch.where(open_, loss, 0.0)
        told = mixed(true, logits.detach(), mixing) if mixing else true
        open_ = open_ & (true != END)
        if not open_.any():
            break
    return total + decoder.penalty(state)


def mixed(true: Tensor, logits: Tensor, share: float) -> Tensor:
    """(N,) true words, a share of them replaced by words drawn from logits (N, words)."""
    drawn = torch.multinomial(logits.float().softmax(1), 1)[:, 0]
    return torch.where(torch.rand(true.shape, device=true.device) < share, drawn, true)


@torch.no_grad()
def write(
    decoder: Decoder, state: State, beams: int, longest: int, allowed: Tensor
) -> list[Caption]:
    """The likeliest caption of each picture, without END, at least one word and at most `longest`.

    `allowed` (words,) tells which words may be written; one beam is the greedy choice.
    """
    count = len(state[0])
    return [
        search(decoder, tuple(part[i : i + 1] for part in state), beams, longest, allowed)
        for i in range(count)
    ]


def search(decoder: Decoder, state: State, beams: int, longest: int, allowed: Tensor) -> Caption:
    """Beam search for one picture; likeliest by the mean log likelihood of a word.

    Where no beam has ended after `longest` words, the best of the open ones is the caption.
    """
    device = state[0].device
    word = torch.full((1,), END, device=device)
    scores, texts = torch.zeros(1, device=device), [Caption()]
    ended: list[tuple[float, Caption]] = []
    for length in range(1, longest + 2):
        logits, state = decoder.step(word, state)
        if length == 1:  # only later steps may end it
            logits = logits.index_fill(1, torch.tensor([END], device=device), -torch.inf)
        rows = logits.float().masked_fill(~allowed, -torch.inf).log_softmax(1)
        best, places = (scores[:, None] + rows).flatten().topk(min(beams, rows.numel()))
        kept: list[tuple[float, int, int]] = []
        for score, place in zip(best.tolist(), places.tolist(), strict=True):
            parent, token = divmod(place, rows.shape[1])
            if token == END and score > -torch.inf:
                ended.append((score / length, texts[parent]))
            elif score > -torch.inf:
                kept.append((score, parent, token))
        # No open beam can do better than go on to the end at no cost.
        hopeless = ended and kept and max(ended)[0] >= kept[0][0] / (longest + 1)
        if length > longest or not kept or hopeless:
            break
        scores = torch.tensor([score for score, _, _ in kept], device=device)
        texts = [[*texts[parent], token] for _, parent, token in kept]
        word = torch.tensor([token for _, _, token in kept], device=device)
        parents = torch.tensor([parent for _, parent, _ in kept], device=device)
        state = tuple(part[parents] for part in state)
    if ended:
        return max(ended)[1]
    return max(zip(scores.tolist(), texts, strict=True))[1]  # open ones are of one length
