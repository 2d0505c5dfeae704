// Package cache keeps what is expensive to load in memory: each key is loaded
// once however many ask for it, kept for a while, and dropped when it was not
// read for longest.
package cache

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Config says how much a cache keeps, and for how long.
type Config[V any] struct {
	Limit       int           // the sum of the weights of what is kept; the value read last always is
	Weight      func(V) int   // of a value; 1 when nil
	Lifetime    time.Duration // of a value; zero for values that never change
	LoadTimeout time.Duration // bounds a load that several callers wait for, whoever of them leaves
	Now         func() time.Time
}

// Cache holds values by key. Make one with New.
type Cache[K comparable, V any] struct {
	cfg   Config[V]
	loads singleflight.Group

	mu      sync.Mutex
	entries map[K]*list.Element
	recent  *list.List // of *entry, the one read last first
	weight  int
}

type entry[K comparable, V any] struct {
	key    K
	value  V
	weight int
	loaded time.Time // when its load began
}

// New returns an empty cache.
func New[K comparable, V any](cfg Config[V]) *Cache[K, V] {
	if cfg.Weight == nil {
		cfg.Weight = func(V) int { return 1 }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Cache[K, V]{cfg: cfg, entries: map[K]*list.Element{}, recent: list.New()}
}

// Get returns the value of a key, which it loads unless it is kept. Callers that
// ask at once share one load, which goes on when the first of them leaves. An
// error of load is returned and not kept.
func (c *Cache[K, V]) Get(ctx context.Context, key K, load func(context.Context) (V, error)) (V, error) {
	if value, kept := c.kept(key); kept {
		return value, nil
	}
	done := c.loads.DoChan(fmt.Sprint(key), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.LoadTimeout)
		defer cancel()
		began := c.cfg.Now()
		value, err := load(ctx)
		if err == nil {
			c.keep(key, value, began)
		}
		return value, err
	})
	var none V
	select {
	case <-ctx.Done():
		return none, ctx.Err()
	case result := <-done:
		value, ok := result.Val.(V)
		if result.Err != nil || !ok {
			return none, result.Err
		}
		return value, nil
	}
}

// Forget has the next Get of a key load it.
func (c *Cache[K, V]) Forget(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(c.entries[key])
}

func (c *Cache[K, V]) kept(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element := c.entries[key]
	if element == nil {
		return value, false
	}
	found := element.Value.(*entry[K, V]) //nolint:errcheck,forcetypeassert // the list holds nothing else
	if c.cfg.Lifetime > 0 && c.cfg.Now().Sub(found.loaded) >= c.cfg.Lifetime {
		return value, false
	}
	c.recent.MoveToFront(element)
	return found.value, true
}

func (c *Cache[K, V]) keep(key K, value V, loaded time.Time) {
	weight := c.cfg.Weight(value)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(c.entries[key])
	c.entries[key] = c.recent.PushFront(&entry[K, V]{key, value, weight, loaded})
	c.weight += weight
	for c.weight > c.cfg.Limit && c.recent.Len() > 1 {
		c.drop(c.recent.Back())
	}
}

func (c *Cache[K, V]) drop(element *list.Element) {
	if element == nil {
		return
	}
	gone := c.recent.Remove(element).(*entry[K, V]) //nolint:errcheck,forcetypeassert // the list holds nothing else
	delete(c.entries, gone.key)
	c.weight -= gone.weight
}
