// Package pipeline tests the scripts that the workflows in .github and the
// checks in .ci are made of: they run as they are, with a stand-in for aws,
// cosign, gh and curl on PATH.
package pipeline
