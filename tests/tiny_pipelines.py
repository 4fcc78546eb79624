"""Pipelines of diffusers that take a text, with random weights, always the same; they read letter by letter."""

import json

LETTERS = [chr(code) for code in range(33, 127)]
WORDS = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
LENGTH = 16
# Of the autoencoder, which halves height and width, and of networks beside it.
SIZES = {"layers_per_block": 1, "block_out_channels": (8, 16), "norm_num_groups": 4}


def stable_diffusion(where):
    """Images of 16 pixels; noise in 100 levels."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    read, texts = _reader(where, 8)
    network = UNet2DConditionModel(
        sample_size=8,
        attention_head_dim=4,
        cross_attention_dim=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        **SIZES,
    )
    made = StableDiffusionPipeline(
        vae=_pixels(),
        text_encoder=texts(),
        tokenizer=read(),
        unet=network,
        scheduler=DDIMScheduler(num_train_timesteps=100, clip_sample=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return _saved(made, where)


def stable_diffusion_xl(where):
    """Two readers of texts, and sizes told to the network."""
    from diffusers import DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import CLIPTextModelWithProjection

    read, texts = _reader(where, 8)
    network = UNet2DConditionModel(
        sample_size=8,
        attention_head_dim=(2, 4),
        cross_attention_dim=16,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=8 * 6 + 8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **SIZES,
    )
    made = StableDiffusionXLPipeline(
        vae=_pixels(),
        text_encoder=texts(),
        text_encoder_2=texts(CLIPTextModelWithProjection),
        tokenizer=read(),
        tokenizer_2=read(),
        unet=network,
        scheduler=DDIMScheduler(num_train_timesteps=100, clip_sample=False, steps_offset=1),
        add_watermarker=False,
    )
    return _saved(made, where)


def flux(where):
    """A transformer in place of a U-Net, and T5 beside CLIP."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    read, texts = _reader(where, 32)
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0), *((letter, -2.0) for letter in LETTERS)]
    network = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )
    made = FluxPipeline(
        vae=_pixels(use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1, scaling_factor=1.5),
        text_encoder=texts(),
        text_encoder_2=T5EncoderModel(
            T5Config(vocab_size=len(pieces), d_model=32, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
        ),
        tokenizer=read(),
        tokenizer_2=T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512),
        transformer=network,
        scheduler=FlowMatchEulerDiscreteScheduler(),
    )
    return _saved(made, where)


def _reader(where, width):
    """What makes a tokenizer, and a network behind it."""
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    files = where / "vocab.json", where / "merges.txt"
    files[0].write_text(json.dumps({word: i for i, word in enumerate(WORDS)}))
    files[1].write_text("#version: 0.2\n")
    torch.manual_seed(0)

    def read():
        return CLIPTokenizer(*map(str, files), model_max_length=LENGTH)

    def texts(kind=CLIPTextModel):
        return kind(
            CLIPTextConfig(
                vocab_size=len(WORDS), hidden_size=width, intermediate_size=16, num_hidden_layers=2,
                num_attention_heads=2, max_position_embeddings=LENGTH, projection_dim=width,
                bos_token_id=len(WORDS) - 2, eos_token_id=len(WORDS) - 1,
            )
        )  # fmt: skip

    return read, texts


def _pixels(**more):
    from diffusers import AutoencoderKL

    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    return AutoencoderKL(sample_size=16, **blocks, **SIZES, **more)


def _saved(pipeline, where):
    pipeline.save_pretrained(where / "tiny")
    return where / "tiny"
