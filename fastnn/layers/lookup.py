"""Words and integers to their places in a vocabulary.

These layers compute on arrays of text, which programs do not know: they prepare data before it reaches a model.
"""

import math
import re
import string
from collections import Counter

import numpy as np

from fastnn.layers.layer import Layer
from fastnn.layers.numeric_preprocessing import OUTPUT_MODES, batches_of, check_mode
from fastnn.saving import registry

_MODES = (*OUTPUT_MODES, "tf_idf")
_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}]")


class Lookup(Layer):
    """What the lookups have in common: a vocabulary, which is given or taken from data by `adapt`.

    The index of a token is its place after the mask token, if there is one, and the token for unknown ones.
    """

    def __init__(
        self, max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode,
        pad_to_max_tokens, sparse, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        check_mode(self, output_mode, sparse, _MODES)
        if num_oov_indices not in (0, 1):
            raise ValueError(f"{self}: num_oov_indices must be 0 or 1, received {num_oov_indices!r}")
        if invert and output_mode != "int":
            raise ValueError(f'{self}: invert=True needs output_mode="int", received {output_mode!r}')
        if isinstance(vocabulary, (str, bytes)) or hasattr(vocabulary, "__fspath__"):
            raise ValueError(f"{self}: vocabulary must be a list; read the file {vocabulary!r:.100} yourself")
        self.max_tokens, self.num_oov_indices, self.mask_token = max_tokens, num_oov_indices, mask_token
        self.oov_token, self.invert, self.output_mode, self.sparse = oov_token, invert, output_mode, sparse
        self.pad_to_max_tokens = pad_to_max_tokens
        self._tokens, self._idf, self._index = None, None, {}
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    # --- vocabulary --------------------------------------------------------------------------------
    def _special(self):
        """The tokens before those of the vocabulary."""
        mask = [self.mask_token] if self.mask_token is not None and self.output_mode == "int" else []
        return mask + [self.oov_token] * self.num_oov_indices

    def set_vocabulary(self, vocabulary, idf_weights=None):
        """Replace the vocabulary.

        Parameters
        ----------
        vocabulary : list of tokens, without or with the special ones before them
        idf_weights : list of float, optional
            For "tf_idf", one for each token.
        """
        tokens, special = [self._token(t) for t in vocabulary], self._special()
        tokens = tokens[len(special) :] if special and tokens[: len(special)] == special else tokens
        if len(set(tokens)) != len(tokens) or set(tokens) & set(special):
            raise ValueError(f"{self}: the vocabulary has a token twice, or one of the special tokens {special}")
        if self.max_tokens is not None and len(special) + len(tokens) > self.max_tokens:
            raise ValueError(f"{self}: {len(special) + len(tokens)} tokens are more than max_tokens={self.max_tokens}")
        if self.output_mode == "tf_idf":
            if idf_weights is None or len(idf_weights) != len(tokens):
                raise ValueError(f'{self}: "tf_idf" needs idf_weights, one for each of the {len(tokens)} tokens')
            weights = np.asarray(idf_weights, np.float32)
            self._idf = np.concatenate([np.full(self.num_oov_indices, weights.mean(), np.float32), weights])
        self._tokens = tokens
        self._index = {token: i for i, token in enumerate(tokens, len(special))}
        if self.mask_token is not None and self.output_mode == "int":
            self._index[self.mask_token] = 0

    def get_vocabulary(self, include_special_tokens=True):
        """The tokens in the order of their indices."""
        return (self._special() if include_special_tokens else []) + list(self._tokens or [])

    def vocabulary_size(self):
        """How many indices there are."""
        return len(self.get_vocabulary())

    def adapt(self, data, steps=None):
        """Take the vocabulary from an array, or an iterable of batches: the most frequent tokens first."""
        counts, documents, rows = Counter(), Counter(), 0
        for batch in batches_of(data, self)[:steps]:
            for row in self._documents(batch):
                counts.update(row)
                documents.update(set(row))
                rows += 1
        counts.pop(self.mask_token, None)
        counts.pop(self.oov_token, None)
        tokens = sorted(counts, reverse=True)  # of equal counts, the last in the alphabet first, as Keras has it
        tokens.sort(key=lambda token: -counts[token])
        if self.max_tokens is not None:
            tokens = tokens[: self.max_tokens - len(self._special())]
        self.set_vocabulary(tokens, [np.log(1 + rows / (1 + documents[token])) for token in tokens])

    def _documents(self, batch):
        for row in batch.reshape(len(batch), -1) if batch.ndim else batch.reshape(1, 1):
            yield [self._token(token) for token in row.tolist()]

    # --- look up -----------------------------------------------------------------------------------
    def __call__(self, inputs, *args, **kwargs):
        if hasattr(inputs, "program"):
            raise TypeError(f"{self} works on arrays: apply it to the data, before they reach the model")
        return super().__call__(np.asarray(inputs), *args, **kwargs)

    def call(self, inputs):
        if self._tokens is None:
            raise ValueError(f"{self}: call adapt(data) first, or give a vocabulary")
        if self.invert:
            return self._inverted(inputs)
        return self._encoded([self._token(token) for token in inputs.reshape(-1).tolist()], inputs.shape)

    def _inverted(self, inputs):
        tokens = np.array(self.get_vocabulary())
        valid = (inputs >= 0) & (inputs < len(tokens))
        return np.where(valid, tokens[np.where(valid, inputs, 0)], self.oov_token)

    def _encoded(self, tokens, shape):
        unknown = len(self._special()) - 1 if self.num_oov_indices else -1
        index = np.fromiter((self._index.get(token, unknown) for token in tokens), np.int64, len(tokens))
        if unknown < 0 and (index < 0).any():
            token = tokens[int(np.argmax(index < 0))]
            raise ValueError(f"{self}: {token!r:.100} is not in the vocabulary: use num_oov_indices=1 to allow it")
        index = index.reshape(shape)
        if self.output_mode == "int":
            return index
        size = self.max_tokens if self.pad_to_max_tokens else self.vocabulary_size()
        if self.output_mode == "one_hot":
            single = index.ndim > 1 and index.shape[-1] == 1
            return np.eye(size, dtype=np.int64)[index[..., 0] if single else index]
        rows = np.zeros((max(math.prod(shape[:-1]), 1), size), np.int64)
        np.add.at(rows, (np.arange(len(rows))[:, None], index.reshape(len(rows), -1)), 1)
        rows = rows.reshape(*shape[:-1], size)
        if self.output_mode == "tf_idf":
            return rows * np.pad(self._idf, (0, size - len(self._idf)))
        return np.minimum(rows, 1) if self.output_mode == "multi_hot" else rows

    def get_config(self):
        names = ("invert", "max_tokens", "num_oov_indices", "oov_token", "mask_token", "output_mode", "sparse")
        own = {name: getattr(self, name) for name in (*names, "pad_to_max_tokens")}
        own["vocabulary"] = None if self._tokens is None else list(self._tokens)
        tf_idf = self.output_mode == "tf_idf" and self._idf is not None
        own["idf_weights"] = self._idf[self.num_oov_indices :].tolist() if tf_idf else None
        return {**super().get_config(), **own}


@registry.register("layer")
class StringLookup(Lookup):
    """Texts to their index in a vocabulary, or back.

    Parameters
    ----------
    max_tokens : int, optional
        Of the whole vocabulary.
    num_oov_indices : {1, 0}
        1: unknown texts share an index; 0: they are an error.
    mask_token : str, optional
        Has the index 0.
    oov_token : str
        What an unknown index becomes with invert.
    vocabulary : list of str, optional
        Unless given, `adapt` takes it from data.  It is never read from a file.
    idf_weights : list of float, optional
    invert : bool
        Indices to texts.
    output_mode : {"int", "one_hot", "multi_hot", "count", "tf_idf"}
    pad_to_max_tokens : bool
        Rows are max_tokens long.
    sparse : bool
        Only False.
    encoding : str
        Of bytes.
    """

    def __init__(
        self, max_tokens=None, num_oov_indices=1, mask_token=None, oov_token="[UNK]", vocabulary=None,
        idf_weights=None, invert=False, output_mode="int", pad_to_max_tokens=False, sparse=False, encoding="utf-8",
        name=None, **kwargs,
    ):  # fmt: skip
        self.encoding = encoding
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode,
            pad_to_max_tokens, sparse, name=name, **kwargs,
        )  # fmt: skip

    def _token(self, value):
        return value.decode(self.encoding) if isinstance(value, bytes) else str(value)

    def get_config(self):
        return {**super().get_config(), "encoding": self.encoding}


@registry.register("layer")
class IntegerLookup(Lookup):
    """Integers to their index in a vocabulary, or back; parameters as of `StringLookup`."""

    def __init__(
        self, max_tokens=None, num_oov_indices=1, mask_token=None, oov_token=-1, vocabulary=None,
        vocabulary_dtype="int64", idf_weights=None, invert=False, output_mode="int", pad_to_max_tokens=False,
        sparse=False, name=None, **kwargs,
    ):  # fmt: skip
        self.vocabulary_dtype = vocabulary_dtype
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode,
            pad_to_max_tokens, sparse, name=name, **kwargs,
        )  # fmt: skip

    def _token(self, value):
        if isinstance(value, bool) or int(value) != value:
            raise ValueError(f"{self}: expected integers, received {value!r}")
        return int(value)

    def get_config(self):
        return {**super().get_config(), "vocabulary_dtype": self.vocabulary_dtype}


@registry.register("layer")
class TextVectorization(StringLookup):
    """Texts to the indices of their words, or to rows that count them.

    Parameters
    ----------
    max_tokens : int, optional
    standardize : {"lower_and_strip_punctuation", "lower", "strip_punctuation"}, function or None
        A function is given one text.
    split : {"whitespace", "character"}, function or None
        A function gives the list of tokens of a text.
    ngrams : int or tuple of int, optional
        Also (a tuple: only) runs of so many tokens, joined by spaces.
    output_mode : {"int", "multi_hot", "count", "tf_idf"}
    output_sequence_length : int, optional
        Of "int": longer texts are cut, shorter ones padded with 0; that of the longest text unless given.
    pad_to_max_tokens : bool
    vocabulary : list of str, optional
    idf_weights : list of float, optional
    sparse, ragged : bool
        Only False.
    encoding : str
    """

    def __init__(
        self, max_tokens=None, standardize="lower_and_strip_punctuation", split="whitespace", ngrams=None,
        output_mode="int", output_sequence_length=None, pad_to_max_tokens=False, vocabulary=None, idf_weights=None,
        sparse=False, ragged=False, encoding="utf-8", name=None, **kwargs,
    ):  # fmt: skip
        for argument, value, known in (
            ("standardize", standardize, ("lower_and_strip_punctuation", "lower", "strip_punctuation")),
            ("split", split, ("whitespace", "character")),
        ):
            if value is not None and not callable(value) and value not in known:
                raise ValueError(f"TextVectorization: {argument} must be one of {known}, received {value!r}")
        if ragged or output_mode == "one_hot":
            raise ValueError('TextVectorization: ragged=True and output_mode="one_hot" are not offered')
        self.standardize, self.split, self.ngrams = standardize, split, ngrams
        self.output_sequence_length, self.ragged = output_sequence_length, ragged
        super().__init__(
            max_tokens, 1, "", "[UNK]", vocabulary, idf_weights, False, output_mode, pad_to_max_tokens, sparse,
            encoding, name, **kwargs,
        )  # fmt: skip

    def _words(self, text):
        """The tokens of a text."""
        text = self._token(text)
        if callable(self.standardize):
            text = self.standardize(text)
        elif self.standardize is not None:
            text = text.lower() if "lower" in self.standardize else text
            text = _PUNCTUATION.sub("", text) if "strip" in self.standardize else text
        if callable(self.split):
            words = list(self.split(text))
        else:
            words = text.split() if self.split == "whitespace" else list(text) if self.split else [text]
        if self.ngrams is None:
            return words
        lengths = range(1, self.ngrams + 1) if isinstance(self.ngrams, int) else self.ngrams
        return [" ".join(words[i : i + n]) for n in lengths for i in range(len(words) - n + 1)]

    def _documents(self, batch):
        return (self._words(text) for text in batch.reshape(-1).tolist())

    def call(self, inputs):
        """Texts of shape (n,) or (n, 1)."""
        if self._tokens is None:
            raise ValueError(f"{self}: call adapt(data) first, or give a vocabulary")
        if inputs.ndim > 1 and inputs.shape[1:] != (1,):
            raise self._wrong_input("texts of shape (n,) or (n, 1)", inputs.shape, "")
        rows = [self._words(text) for text in inputs.reshape(-1).tolist()]
        if self.output_mode == "int":
            longest = max(map(len, rows), default=0)
            length = longest if self.output_sequence_length is None else self.output_sequence_length
            padded = [word for row in rows for word in row[:length] + [""] * (length - len(row))]
            return self._encoded(padded, (*inputs.shape[:1], length))
        return np.stack([self._encoded(row, (len(row),)) for row in rows])

    def get_config(self):
        config = super().get_config()
        for name in ("invert", "num_oov_indices", "oov_token", "mask_token"):
            del config[name]
        names = ("standardize", "split", "ngrams", "output_sequence_length", "ragged")
        return {**config, **{name: getattr(self, name) for name in names}}
