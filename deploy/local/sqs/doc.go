// Package sqs is a small server that speaks Amazon SQS's JSON protocol, for the one-machine stack and
// for tests. Production uses Amazon SQS and the compose file ElasticMQ; the program that uses the queue
// knows only an endpoint. The conformance tests of this package hold all three to the same behaviour.
//
// It exists because a record's way to its points must be quick on one machine as well: a waiting receive
// is answered in the moment a message is there, where the emulators that need no container answer only
// when the batch is full or the wait is over.
//
// What differs from Amazon SQS:
//
//   - Queues live in memory and are gone when the process ends.
//   - Standard queues only: FIFO queues, message groups, tags, policies and encryption are refused.
//   - Signatures are not checked. Listen on a loopback address.
//   - A change takes effect at once: no minute of waiting after a purge, a deletion or a new attribute,
//     and a deleted queue's name can be taken again.
//   - A redrive task without a rate moves everything at once.
//   - No duplicates are made up and messages leave in the order in which they became visible, which a
//     consumer must not rely on.
package sqs
