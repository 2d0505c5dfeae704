package pipeline

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const signer = "--certificate-identity https://github.com/mrmrthon/mrmrthon/.github/workflows/release.yml@refs/tags/v1.2.3"

func TestVerifyImages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.answers("aws-ecr-describe-images", "sha256:a1\n", "sha256:b2\n")
	b.answers("cosign-verify", "[]")
	status, out := b.script("verify-images", "v1.2.3")
	require.Zero(t, status, out)
	require.Contains(t, b.calls(), "cosign verify registry.example/mrmrthon/api@sha256:a1 ")
	require.Contains(t, b.calls(), "cosign verify registry.example/mrmrthon/worker@sha256:b2 ")
	require.Contains(t, b.calls(), signer)
}

func TestVerifyImagesRefuses(t *testing.T) {
	t.Parallel()
	t.Run("what is not signed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.answers("aws-ecr-describe-images", "sha256:a1\n")
		b.fails("cosign-verify", "no signatures found")
		status, out := b.script("verify-images", "v1.2.3")
		require.NotZero(t, status)
		require.Contains(t, out, "no signatures found")
	})
	t.Run("what is not there", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.fails("aws-ecr-describe-images", "ImageNotFoundException")
		status, _ := b.script("verify-images", "v1.2.3")
		require.NotZero(t, status)
		require.Zero(t, b.times("cosign-verify"))
	})
	for _, tag := range []string{"", "latest", "1.2.3", "v1.2", "v1.2.3-rc.1", "v1.2.3 --x"} {
		t.Run("the tag "+tag, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			status, out := b.script("verify-images", tag)
			require.Equal(t, 1, status)
			require.Contains(t, out, "is not a release")
			require.Empty(t, b.calls())
		})
	}
}

func TestImageDigest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.answers("aws-ecr-describe-images", "sha256:a1\n")
	status, out := b.script("image-digest", "api", "v1.2.3")
	require.Zero(t, status, out)
	require.Equal(t, "digest=sha256:a1\n", out)

	b = setup(t)
	b.fails("aws-ecr-describe-images", "An error occurred (ImageNotFoundException)")
	status, out = b.script("image-digest", "api", "v1.2.3")
	require.Zero(t, status, out)
	require.Equal(t, "digest=\n", out)

	b = setup(t)
	b.fails("aws-ecr-describe-images", "An error occurred (AccessDeniedException)")
	status, out = b.script("image-digest", "api", "v1.2.3")
	require.Equal(t, 1, status)
	require.Contains(t, out, "AccessDeniedException")
}

// The registry's tags never move, so a signed image is not signed again.
func TestSignImage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fails("cosign-verify", "no signatures found")
	b.fails("cosign-verify-attestation", "no attestations found")
	b.answers("cosign-sign", "")
	b.answers("cosign-attest", "")
	status, out := b.script("sign-image", "api", "v1.2.3", "sha256:a1", "api.spdx.json")
	require.Zero(t, status, out)
	require.Contains(t, b.calls(), "cosign sign --yes registry.example/mrmrthon/api@sha256:a1")
	require.Contains(t, b.calls(), "--predicate api.spdx.json registry.example/mrmrthon/api@sha256:a1")

	b = setup(t)
	b.answers("cosign-verify", "[]")
	b.answers("cosign-verify-attestation", "[]")
	status, out = b.script("sign-image", "api", "v1.2.3", "sha256:a1", "api.spdx.json")
	require.Zero(t, status, out)
	require.NotContains(t, b.calls(), "cosign sign")
	require.NotContains(t, b.calls(), "cosign attest ")

	b = setup(t)
	b.fails("cosign-verify", "no signatures found")
	b.fails("cosign-sign", "no token")
	status, _ = b.script("sign-image", "api", "v1.2.3", "sha256:a1", "api.spdx.json")
	require.NotZero(t, status)
}
