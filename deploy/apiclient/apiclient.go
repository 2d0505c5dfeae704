// Package apiclient is a client of the public API: what the sample, the bench
// and the end-to-end tests act through. It knows nothing that an organizer with
// curl would not.
package apiclient

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

// Client calls the API as one account, or anonymously until it logs in. It is
// not safe for concurrent use while it logs in.
type Client struct {
	Base            string // URL of the API
	Login, Password string
	// Patience is how long a call is repeated while the API cannot be reached or
	// answers 429 or 503. Zero repeats nothing.
	Patience time.Duration
	HTTP     *http.Client // http.DefaultClient when nil

	Token    string // of the last login
	UserID   string // of the last login
	LoggedIn time.Time
}

// Request is one call. A POST that may be repeated needs an Idempotency-Key.
type Request struct {
	Method, Path string
	ContentType  string
	Body         []byte
	Header       map[string]string
}

// Answer is what the API answered, whatever its status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

func (a Answer) String() string { return fmt.Sprintf("%d %s", a.Status, a.Body) }

// Problem is an error answer (RFC 9457).
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
}

func (p *Problem) Error() string {
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

// Send makes a call and returns its answer, an error answer included. It
// repeats the call within the client's patience.
func (c *Client) Send(ctx context.Context, r Request) (Answer, error) {
	if c.Patience == 0 {
		return c.once(ctx, r)
	}
	var answer Answer
	backoff := retry.WithMaxDuration(c.Patience, retry.WithCappedDuration(time.Second, retry.NewExponential(50*time.Millisecond)))
	err := retry.Do(ctx, backoff, func(ctx context.Context) (err error) {
		answer, err = c.once(ctx, r)
		if _, unreachable := errors.AsType[*url.Error](err); unreachable {
			return retry.RetryableError(err)
		}
		if err == nil && (answer.Status == http.StatusServiceUnavailable || answer.Status == http.StatusTooManyRequests) {
			return retry.RetryableError(errUnavailable)
		}
		return err
	})
	if errors.Is(err, errUnavailable) { // the last answer says why
		err = nil
	}
	return answer, err
}

var errUnavailable = errors.New("the API is not available")

func (c *Client) once(ctx context.Context, r Request) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, strings.TrimRight(c.Base, "/")+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return Answer{}, err
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if r.ContentType != "" {
		req.Header.Set("Content-Type", r.ContentType)
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		// A connection that broke is like one that could not be made.
		return Answer{}, &url.Error{Op: r.Method, URL: r.Path, Err: err}
	}
	return Answer{res.StatusCode, res.Header, body}, nil
}

// Call makes a call and decodes its answer into out, if that is not nil. An
// error answer is a *Problem. When a token has expired it logs in again once.
func (c *Client) Call(ctx context.Context, r Request, out any) error {
	answer, err := c.Send(ctx, r)
	if err == nil && answer.Status == http.StatusUnauthorized && c.Token != "" && c.Password != "" {
		if err := c.LogIn(ctx); err != nil {
			return err
		}
		answer, err = c.Send(ctx, r)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	if answer.Status >= http.StatusBadRequest {
		problem := &Problem{Title: http.StatusText(answer.Status)}
		_ = json.Unmarshal(answer.Body, problem) // the status says enough when the body is no problem document
		problem.Status = answer.Status
		return fmt.Errorf("%s %s: %w", r.Method, r.Path, problem)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Body, out); err != nil {
		return fmt.Errorf("%s %s: decode the answer: %w", r.Method, r.Path, err)
	}
	return nil
}

// Get reads what is at a path.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.Call(ctx, Request{Method: http.MethodGet, Path: path}, out)
}

// JSON sends a body as JSON. Headers are name, value, name, value.
func (c *Client) JSON(ctx context.Context, method, path string, body, out any, headers ...string) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("%s %s: encode the body: %w", method, path, err)
	}
	r := Request{Method: method, Path: path, ContentType: "application/json", Body: text, Header: map[string]string{}}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header[headers[i]] = headers[i+1]
	}
	return c.Call(ctx, r, out)
}

// SignUp creates the account. It returns a *Problem of status 409 when the login
// is taken.
func (c *Client) SignUp(ctx context.Context, userType, name string) error {
	return c.JSON(ctx, http.MethodPost, "/v1/users", map[string]string{
		"login_id": c.Login, "password": c.Password, "name": name, "user_type": userType,
	}, nil)
}

// LogIn takes a new access token.
func (c *Client) LogIn(ctx context.Context) error {
	c.Token = ""
	var answer struct {
		AccessToken string `json:"access_token"`
		UserID      string `json:"user_id"`
	}
	credentials := map[string]string{"login_id": c.Login, "password": c.Password}
	if err := c.JSON(ctx, http.MethodPost, "/v1/login", credentials, &answer); err != nil {
		return err
	}
	c.Token, c.UserID, c.LoggedIn = answer.AccessToken, answer.UserID, time.Now()
	return nil
}

// Imported is what the API says of the rows of a file.
type Imported struct {
	Added     int `json:"added"`
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	Errors    []struct {
		Row     int    `json:"row"`
		Field   string `json:"field"`
		Message string `json:"message"`
	} `json:"errors"`
}

// ImportCSV imports a start list or results, which path names.
func (c *Client) ImportCSV(ctx context.Context, path string, csv []byte) (Imported, error) {
	var imported Imported
	err := c.Call(ctx, Request{Method: http.MethodPost, Path: path, ContentType: "text/csv", Body: csv}, &imported)
	return imported, err
}
