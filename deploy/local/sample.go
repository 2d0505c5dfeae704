package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// loadAnywhere puts the sample race through an API that runs anywhere. The
// organizer's password is SAMPLE_PASSWORD, else the one kept in .local.
func loadAnywhere(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("sample", flag.ContinueOnError)
	api := flags.String("api", "http://127.0.0.1:8080", "base `URL` of the API")
	login := flags.String("login", sampleLogin, "the organizer, who is signed up when new")
	rows := flags.Int("rows", 0, "take so many rows; 0: all")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return errors.New("sample: there is nothing to name but flags")
	}
	password := os.Getenv("SAMPLE_PASSWORD")
	if password == "" {
		root, err := stack.FindRoot()
		if err != nil {
			return err
		}
		secrets, err := stack.LoadSecrets(filepath.Join(root, ".local"))
		if err != nil {
			return err
		}
		password = secrets.Organizer
	}
	console := stack.NewConsole(os.Stdout)
	summary, err := runSample(ctx, *api, *login, password, *rows, console, console.Terminal())
	if err != nil {
		return err
	}
	summary.Print(console)
	return nil
}
