"""What denoising of any model needs: segments of long videos, previews, checks. No model of its own."""
