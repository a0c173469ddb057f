"""The rows of layers that take several inputs: (name, make, shapes of the inputs, call of layer and inputs)."""

QUERY, VALUE, KEY = (2, 3, 4), (2, 5, 4), (2, 5, 4)
TABLE = (
    ("attention", lambda k: k.layers.Attention(), (QUERY, VALUE), lambda a, q, v: a([q, v])),
    (
        "attention_key",
        lambda k: k.layers.Attention(use_scale=True),
        (QUERY, VALUE, KEY),
        lambda a, q, v, k: a([q, v, k]),
    ),
    (
        "attention_concat",
        lambda k: k.layers.Attention(use_scale=True, score_mode="concat"),
        (QUERY, VALUE),
        lambda a, q, v: a([q, v]),
    ),
    (
        "attention_causal",
        lambda k: k.layers.Attention(),
        (QUERY, QUERY),
        lambda a, q, v: a([q, v], use_causal_mask=True),
    ),
    ("additive_attention", lambda k: k.layers.AdditiveAttention(), (QUERY, VALUE), lambda a, q, v: a([q, v])),
    ("multi_head_attention", lambda k: k.layers.MultiHeadAttention(2, 3), (QUERY, VALUE), lambda a, q, v: a(q, v)),
    (
        "multi_head_attention_options",
        lambda k: k.layers.MultiHeadAttention(2, 3, value_dim=2, use_bias=False, output_shape=5, use_gate=True),
        (QUERY, (2, 5, 6), KEY),
        lambda a, q, v, k: a(q, v, key=k),
    ),
    (
        "multi_head_attention_causal",
        lambda k: k.layers.MultiHeadAttention(2, 3),
        (QUERY, QUERY),
        lambda a, q, v: a(q, v, use_causal_mask=True),
    ),
    (
        "group_query_attention",
        lambda k: k.layers.GroupQueryAttention(2, 4, 2),
        (QUERY, VALUE),
        lambda a, q, v: a(q, v),
    ),
    (
        "group_query_attention_window",
        lambda k: k.layers.GroupQueryAttention(2, 4, 1, sliding_window=2),
        (QUERY, QUERY),
        lambda a, q, v: a(q, v),
    ),
    (
        "reversible_embedding_back",
        lambda k: k.layers.ReversibleEmbedding(9, 4),
        (QUERY,),
        lambda e, x: e(x, reverse=True),
    ),
    (
        "reversible_embedding_untied",
        lambda k: k.layers.ReversibleEmbedding(9, 4, tie_weights=False, logit_soft_cap=0.5),
        (QUERY,),
        lambda e, x: e(x, reverse=True),
    ),
    (
        "lstm_initial_state",
        lambda k: k.layers.LSTM(4),
        ((2, 3, 2), (2, 4), (2, 4)),
        lambda a, x, h, c: a(x, initial_state=[h, c]),
    ),
)
