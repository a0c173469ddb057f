"""The rows of layers over sequences, of embeddings, attention and normalization; added to `cases.LAYERS`."""

from cases import LayerCase


def _row(name, make, shape, **options):
    return LayerCase(name, make, shape, **options)


RECURRENT = (
    _row("simple_rnn", lambda k: k.layers.SimpleRNN(4), (3, 5, 2)),
    _row("simple_rnn_sequences", lambda k: k.layers.SimpleRNN(3, return_sequences=True, use_bias=False), (3, 4, 2)),
    _row("simple_rnn_relu_backwards", lambda k: k.layers.SimpleRNN(3, "relu", go_backwards=True), (3, 4, 2)),
    _row("lstm", lambda k: k.layers.LSTM(4), (3, 5, 2)),
    _row("lstm_sequences", lambda k: k.layers.LSTM(3, return_sequences=True, kernel_regularizer="l2"), (3, 4, 2)),
    _row("lstm_no_bias", lambda k: k.layers.LSTM(3, use_bias=False, recurrent_activation="hard_sigmoid"), (2, 4, 2)),
    _row("lstm_one_step", lambda k: k.layers.LSTM(3, unit_forget_bias=False), (2, 1, 2)),
    _row("gru", lambda k: k.layers.GRU(4), (3, 5, 2)),
    _row("gru_reset_before", lambda k: k.layers.GRU(3, reset_after=False, return_sequences=True), (3, 4, 2)),
    _row("gru_backwards", lambda k: k.layers.GRU(3, go_backwards=True, return_sequences=True), (3, 4, 2)),
    _row("rnn_cell", lambda k: k.layers.RNN(k.layers.LSTMCell(3)), (3, 4, 2)),
    _row("rnn_stacked", lambda k: k.layers.RNN([k.layers.GRUCell(3), k.layers.SimpleRNNCell(2)]), (3, 4, 2)),
    _row("bidirectional_lstm", lambda k: k.layers.Bidirectional(k.layers.LSTM(3)), (3, 4, 2)),
    _row(
        "bidirectional_sum",
        lambda k: k.layers.Bidirectional(k.layers.GRU(3, return_sequences=True), merge_mode="sum"),
        (3, 4, 2),
    ),
    _row("conv_lstm1d", lambda k: k.layers.ConvLSTM1D(3, 2), (2, 3, 5, 2)),
    _row(
        "conv_lstm2d", lambda k: k.layers.ConvLSTM2D(2, (3, 2), padding="same", return_sequences=True), (2, 3, 4, 5, 2)
    ),
    _row("conv_lstm2d_first", lambda k: k.layers.ConvLSTM2D(2, 2, 2, data_format="channels_first"), (2, 3, 2, 4, 5)),
    _row("conv_lstm2d_back", lambda k: k.layers.ConvLSTM2D(2, 2, dilation_rate=2, go_backwards=True), (2, 3, 4, 5, 1)),
    _row("conv_lstm3d", lambda k: k.layers.ConvLSTM3D(2, 2, use_bias=False, activation="relu"), (2, 2, 3, 3, 4, 1)),
    _row("time_distributed_dense", lambda k: k.layers.TimeDistributed(k.layers.Dense(3)), (2, 4, 5)),
    _row("time_distributed_conv", lambda k: k.layers.TimeDistributed(k.layers.Conv2D(2, 2)), (2, 3, 4, 3, 2)),
)

EMBEDDING = (
    _row("embedding", lambda k: k.layers.Embedding(9, 4), (3, 5), dtype="int32"),
    _row("embedding_l2", lambda k: k.layers.Embedding(9, 3, embeddings_regularizer="l2"), (4, 2), dtype="int32"),
    _row("reversible_embedding", lambda k: k.layers.ReversibleEmbedding(9, 4), (3, 5), dtype="int32"),
    _row("einsum_dense", lambda k: k.layers.EinsumDense("abc,cd->abd", (3, 4), bias_axes="d"), (2, 3, 5)),
    _row("einsum_dense_ellipsis", lambda k: k.layers.EinsumDense("...x,xy->...y", 4, "relu"), (2, 3, 5)),
    _row("einsum_dense_time", lambda k: k.layers.EinsumDense("abc,bd->adc", (4, 5), bias_axes="dc"), (2, 3, 5)),
)

NORMALIZATION = (
    _row("group_normalization", lambda k: k.layers.GroupNormalization(2), (2, 3, 4, 6)),
    _row("group_normalization_instance", lambda k: k.layers.GroupNormalization(-1, epsilon=0.1), (2, 3, 4)),
    _row("group_normalization_bare", lambda k: k.layers.GroupNormalization(2, center=False, scale=False), (3, 6)),
    _row("unit_normalization", lambda k: k.layers.UnitNormalization(), (3, 5)),
    _row("unit_normalization_axes", lambda k: k.layers.UnitNormalization(axis=[1, 2]), (2, 3, 4)),
    _row("rms_normalization", lambda k: k.layers.RMSNormalization(), (3, 4, 5)),
    _row("spectral_normalization", lambda k: k.layers.SpectralNormalization(k.layers.Dense(4)), (3, 5)),
    _row("activity_regularization", lambda k: k.layers.ActivityRegularization(0.1, 0.2), (3, 5)),
    _row("masking", lambda k: k.layers.Masking(0.25), (3, 4, 2)),
)

CASES = RECURRENT + EMBEDDING + NORMALIZATION

CONFIGURED = (
    ("reversible_embedding_untied", lambda k: k.layers.ReversibleEmbedding(9, 4, tie_weights=False, mask_zero=True)),
    ("mix_up", lambda k: k.layers.MixUp(0.3, seed=4)),
    ("cut_mix", lambda k: k.layers.CutMix((0.25, 0.5), data_format="channels_first")),
    ("rand_augment", lambda k: k.layers.RandAugment((0, 1), num_ops=3, factor=(0.25, 0.5), interpolation="nearest")),
    ("aug_mix", lambda k: k.layers.AugMix(num_chains=2, chain_depth=4, alpha=0.5, all_ops=False, seed=1)),
    ("hashing", lambda k: k.layers.Hashing(5, mask_value="", salt=3)),
    ("hashed_crossing", lambda k: k.layers.HashedCrossing(5, output_mode="one_hot")),
    ("pipeline", lambda k: k.layers.Pipeline([k.layers.Rescaling(2.0, name="a"), k.layers.Dense(2, name="b")])),
    ("wrapper", lambda k: k.layers.Wrapper(k.layers.Dense(2))),
    ("simple_rnn_cell", lambda k: k.layers.SimpleRNNCell(2, recurrent_dropout=0.5)),
    ("lstm_cell", lambda k: k.layers.LSTMCell(2, seed=3)),
    ("gru_cell", lambda k: k.layers.GRUCell(2)),
    ("conv_lstm2d_dropout", lambda k: k.layers.ConvLSTM2D(2, 3, dropout=0.2, recurrent_dropout=0.1, seed=1)),
    ("stacked_rnn_cells", lambda k: k.layers.StackedRNNCells([k.layers.LSTMCell(2), k.layers.GRUCell(3)])),
    ("attention", lambda k: k.layers.Attention(use_scale=True, score_mode="concat", dropout=0.1)),
    ("additive_attention", lambda k: k.layers.AdditiveAttention(dropout=0.1)),
    ("multi_head_attention", lambda k: k.layers.MultiHeadAttention(2, 3, value_dim=4, sliding_window=3)),
    ("group_query_attention", lambda k: k.layers.GroupQueryAttention(2, 4, 2, dropout=0.1)),
)
