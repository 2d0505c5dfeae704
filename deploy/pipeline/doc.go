// Package pipeline tests the scripts of the workflows in .github and of the checks in
// .ci. They run unchanged, with stubs for aws, cosign, gh and curl on PATH.
package pipeline
