// Package server is the frame that every call goes through: who calls, whether
// the call is allowed, idempotency keys, problem documents, pages, the OpenAPI
// document and its reading room. What the calls do is in the packages beside it.
package server
