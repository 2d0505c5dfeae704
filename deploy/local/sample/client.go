package sample

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sethvargo/go-retry"
)

// client speaks to the public API as one account. It knows nothing that an
// organizer with curl would not.
type client struct {
	api             string // base URL, no slash at the end
	login, password string
	token           string
	http            *http.Client
}

func newClient(api, login, password string) *client {
	return &client{
		api: strings.TrimRight(api, "/"), login: login, password: password,
		// An import of 50,000 rows may take a while.
		http: &http.Client{Timeout: 5 * time.Minute},
	}
}

// request is one call. Every call of this package may be made twice: those
// that create carry an idempotency key.
type request struct {
	method, path string
	body         []byte
	contentType  string
	key          string // Idempotency-Key
}

// problem is an error answer (RFC 9457).
type problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
}

func (p *problem) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d %s", p.Status, p.Title)
	if p.Detail != "" {
		text.WriteString(": " + p.Detail)
	}
	for _, e := range p.Errors {
		fmt.Fprintf(&text, "; %s: %s", e.Location, e.Message)
	}
	return text.String()
}

// patience is how long an API that is restarting, or whose databases are, is
// waited for.
const patience = 2 * time.Minute

// call makes a call and decodes its answer. It tries again while the API
// cannot be reached, is not available or asks for a slower pace, and logs in
// again when the token is over.
func (c *client) call(ctx context.Context, r request, answer any) error {
	backoff := retry.WithMaxDuration(patience, retry.NewConstant(time.Second))
	err := retry.Do(ctx, backoff, func(ctx context.Context) error {
		err := c.once(ctx, r, answer)
		if _, unreachable := errors.AsType[*url.Error](err); unreachable {
			return retry.RetryableError(err)
		}
		p, refused := errors.AsType[*problem](err)
		switch {
		case !refused:
			return err
		case p.Status == http.StatusUnauthorized && c.token != "":
			if err := c.logIn(ctx); err != nil {
				return err
			}
			return retry.RetryableError(err)
		case p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests:
			return retry.RetryableError(err)
		default:
			return err
		}
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	return nil
}

func (c *client) once(ctx context.Context, r request, answer any) error {
	req, err := http.NewRequestWithContext(ctx, r.method, c.api+r.path, bytes.NewReader(r.body))
	if err != nil {
		return err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if r.key != "" {
		req.Header.Set("Idempotency-Key", r.key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= http.StatusBadRequest {
		p := &problem{Title: http.StatusText(res.StatusCode)}
		_ = json.Unmarshal(text, p) // the status says enough when the body is no problem document
		p.Status = res.StatusCode
		return p
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

func (c *client) get(ctx context.Context, path string, answer any) error {
	return c.call(ctx, request{method: http.MethodGet, path: path}, answer)
}

func (c *client) postJSON(ctx context.Context, path, key string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode the body of POST %s: %w", path, err)
	}
	return c.call(ctx, request{
		method: http.MethodPost, path: path, body: text, contentType: "application/json", key: key,
	}, answer)
}

// logIn takes a new access token.
func (c *client) logIn(ctx context.Context) error {
	c.token = ""
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	err := c.postJSON(ctx, "/v1/login", "", map[string]string{"login_id": c.login, "password": c.password}, &answer)
	if p, ok := errors.AsType[*problem](err); ok && p.Status == http.StatusUnauthorized {
		return fmt.Errorf("the login %s exists with another password: choose another login, or give its password: %w", c.login, err)
	}
	if err != nil {
		return err
	}
	c.token = answer.AccessToken
	return nil
}

// signUp opens the account, and finds it open the second time.
func (c *client) signUp(ctx context.Context, name string) error {
	err := c.postJSON(ctx, "/v1/users", "", map[string]string{
		"login_id": c.login, "password": c.password, "name": name, "user_type": "organizer",
	}, nil)
	if p, ok := errors.AsType[*problem](err); ok && p.Status == http.StatusConflict {
		return nil
	}
	return err
}
