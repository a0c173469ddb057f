"""Einstein's sum convention, as matrix products."""

import math

from fastnn import config
from fastnn.ops.products import matmul
from fastnn.ops.shape import reshape, tensor_like, transpose
from fastnn.ops.shape import shape as shape_of

_SPARE = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def einsum(subscripts, *operands):
    """Products of elements summed over the letters that the result does not name.

    Parameters
    ----------
    subscripts : str
        Such as ``"bij,bjk->bik"``; ``...`` stands for any further axes, which are broadcast; without an arrow the
        result has the letters that occur once, in alphabetical order.
    *operands : tensors

    Returns
    -------
    tensor
    """
    operands = [tensor_like(x) for x in operands]
    terms, output = _parse(subscripts, [len(shape_of(x)) for x in operands])
    value, term = operands[0], terms[0]
    value, term = _once_each(value, term)
    for position, (other, letters) in enumerate(zip(operands[1:], terms[1:], strict=True), 1):
        other, letters = _once_each(other, letters)
        needed = set(output).union(*terms[position + 1 :])
        value, term = _pair(value, term, other, letters, needed)
    value, term = _summed(value, term, set(output))
    return transpose(value, [term.index(letter) for letter in output])


def _parse(subscripts, ranks):
    """(letters of each operand, letters of the result), every ellipsis spelled out."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(f"einsum: {subscripts!r} describes {len(terms)} operands, received {len(ranks)}")
    spare = [letter for letter in _SPARE if letter not in text]
    longest = 0
    for i, (term, rank) in enumerate(zip(terms, ranks, strict=True)):
        extra = rank - len(term.replace("...", ""))
        if extra < 0 or (extra > 0 and "..." not in term):
            raise ValueError(f"einsum: {term!r} in {subscripts!r} does not describe a tensor with {rank} axes")
        terms[i] = term.replace("...", "".join(spare[:extra][::-1]))
        longest = max(longest, extra)
    broadcast = "".join(spare[:longest][::-1])
    if not arrow:
        letters = "".join(terms)
        right = broadcast + "".join(sorted(c for c in set(letters) - set(broadcast) if letters.count(c) == 1))
    output = right.replace("...", broadcast)
    if len(set(output)) != len(output) or set(output) - set("".join(terms)):
        raise ValueError(f"einsum: the result {right!r} of {subscripts!r} must name letters of the operands, once each")
    return terms, output


def _once_each(x, letters):
    """The diagonal along axes that share a letter."""
    from fastnn import ops

    for letter in dict.fromkeys(letters):
        while letters.count(letter) > 1:
            a = letters.index(letter)
            b = letters.index(letter, a + 1)
            x = ops.diagonal(x, axis1=a, axis2=b)
            letters = letters[:a] + letters[a + 1 : b] + letters[b + 1 :] + letter
    return x, letters


def _summed(x, letters, needed):
    """The sum over letters that nobody needs."""
    from fastnn import ops

    gone = tuple(i for i, letter in enumerate(letters) if letter not in needed)
    if not gone:
        return x, letters
    return ops.sum(x, gone), "".join(letter for letter in letters if letter in needed)


def _pair(x, left, y, right, needed):
    """Two operands as one matrix product: letters of both that are needed later count the products."""
    x, left = _summed(x, left, needed | set(right))
    y, right = _summed(y, right, needed | set(left))
    sizes = _sizes(x, left, y, right)
    batch = [c for c in left if c in right and c in needed]
    inner = [c for c in left if c in right and c not in needed]
    rows, columns = [c for c in left if c not in right], [c for c in right if c not in left]
    a = _arranged(x, left, sizes, batch, rows, inner)
    b = _arranged(y, right, sizes, batch, inner, columns)
    if inner or str(a.dtype).startswith("float"):
        product = matmul(a, b)
        if not (str(x.dtype).startswith("float") or str(y.dtype).startswith("float")):
            from fastnn import ops

            product = ops.cast(product, "int32")
    else:
        product = a * b
    letters = [*batch, *rows, *columns]
    return reshape(product, [sizes[c] for c in letters]), "".join(letters)


def _sizes(x, left, y, right):
    sizes = {}
    for tensor, letters in ((x, left), (y, right)):
        for letter, n in zip(letters, tensor.shape, strict=True):
            if sizes.setdefault(letter, n) != n and 1 not in (n, sizes[letter]):
                raise ValueError(f"einsum: letter {letter!r} has the sizes {sizes[letter]} and {n}")
            sizes[letter] = max(sizes[letter], n)
    return sizes


def _arranged(x, letters, sizes, *groups):
    """x with its axes in the order of three groups of letters, each group as one axis."""
    from fastnn import ops

    order = [letters.index(c) for group in groups for c in group]
    shape = [sizes[c] for group in groups for c in group]
    return reshape(ops.broadcast_to(transpose(x, order), shape), [math.prod(sizes[c] for c in g) for g in groups])


def dot_product_attention(
    query, key, value, bias=None, mask=None, scale=None, is_causal=False, flash_attention=None,
    attn_logits_soft_cap=None,
):  # fmt: skip
    """softmax(query . key * scale + bias) . value for each head (arXiv 1706.03762).

    Parameters
    ----------
    query : tensor of shape (n, t, heads, k)
    key : tensor of shape (n, s, key_heads, k)
        Heads of the query in equal groups share a head of key and value.
    value : tensor of shape (n, s, key_heads, v)
    bias : tensor broadcast to (n, heads, t, s), optional
    mask : bool tensor broadcast to (n, heads, t, s), optional
        False excludes a pair.
    scale : float, optional
        1 / sqrt(k) unless given.
    is_causal : bool
        Exclude what comes later than the query.
    flash_attention : bool, optional
        Accepted as in Keras; there is one method.
    attn_logits_soft_cap : float, optional
        Scores are limited smoothly to this size: cap * tanh(score / cap).

    Returns
    -------
    tensor of shape (n, t, heads, v)
    """
    import numpy as np

    from fastnn import ops

    heads, key_heads = shape_of(query)[2], shape_of(key)[2]
    if heads % key_heads:
        raise ValueError(f"dot_product_attention: {heads} heads of the query for {key_heads} of the key")
    if heads != key_heads:
        key, value = (ops.repeat(x, heads // key_heads, 2) for x in (key, value))
    scale = 1.0 / math.sqrt(shape_of(query)[-1]) if scale is None else scale
    scores = einsum("btnh,bsnh->bnts", query, key) * scale
    if attn_logits_soft_cap is not None:
        scores = ops.tanh(scores / attn_logits_soft_cap) * attn_logits_soft_cap
    if bias is not None:
        scores = scores + bias
    if is_causal:
        causal = np.tril(np.ones(scores.shape[-2:], bool))
        mask = causal if mask is None else ops.logical_and(mask, causal)
    if mask is not None:
        scores = ops.where(mask, scores, -1e30 if config.floatx() == "float32" else -1e300)
    return einsum("bnts,bsnh->btnh", ops.softmax(scores), value)
