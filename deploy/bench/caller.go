package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// caller speaks to the public API as one person.
type caller struct {
	api             string
	login, password string
	token           string
	loggedIn        time.Time
	http            *http.Client
}

// keepAlive keeps the connections of all callers: dialing is not measured.
var keepAlive = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1024}, Timeout: 5 * time.Minute}

// signUp makes an organizer.
func signUp(ctx context.Context, api string) (*caller, error) {
	c := &caller{api: api, login: "bench-" + rand.Text() + "@example.org", password: rand.Text(), http: keepAlive}
	err := c.call(ctx, http.MethodPost, "/v1/users", map[string]string{
		"login_id": c.login, "password": c.password, "name": "Bench", "user_type": "organizer",
	}, nil)
	if err != nil {
		return nil, err
	}
	if err := c.logIn(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// tokenLife is well below what the API gives a token.
const tokenLife = 5 * time.Minute

// logIn takes a new token.
func (c *caller) logIn(ctx context.Context) error {
	var tokens struct {
		AccessToken string `json:"access_token"`
	}
	c.token = "" // an old one might be over
	body := map[string]string{"login_id": c.login, "password": c.password}
	if err := c.call(ctx, http.MethodPost, "/v1/login", body, &tokens); err != nil {
		return err
	}
	c.token, c.loggedIn = tokens.AccessToken, time.Now()
	return nil
}

// fresh takes a new token if the last is old; a figure begins with it.
func (c *caller) fresh(ctx context.Context) error {
	if time.Since(c.loggedIn) < tokenLife {
		return nil
	}
	return c.logIn(ctx)
}

// call sends a body as JSON and reads the answer into out, if it is not nil.
func (c *caller) call(ctx context.Context, method, path string, body, out any, headers ...string) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	answer, err := c.send(ctx, method, path, "application/json", text, headers...)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	return nil
}

func (c *caller) get(ctx context.Context, path string, out any) error {
	answer, err := c.send(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

// send makes one call and returns the body of a 2xx answer. It never repeats a
// call: a bench that hides failures measures something else.
func (c *caller) send(ctx context.Context, method, path, contentType string, body []byte, headers ...string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.api+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("%s %s: %s %.500s", method, path, res.Status, text)
	}
	return text, nil
}
