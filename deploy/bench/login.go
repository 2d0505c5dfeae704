package main

import (
	"context"
	"errors"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/internal/auth"
)

// mostLogins is how many logins of one address the API lets be under way at
// once: each counts as failed until it is known not to have.
const mostLogins = 40

// login measures logins per second against argon2id alone on all cores, which
// nothing that checks passwords can beat. Each caller has an account of its own,
// since the limit of one account is lower still.
func (b *bench) login(ctx context.Context) error {
	passwords, err := auth.NewPasswords()
	if err != nil {
		return err
	}
	hash, err := passwords.Hash(ctx, b.organizer.password)
	if err != nil {
		return err
	}
	people := make([]*caller, min(4*runtime.NumCPU(), mostLogins))
	for i := range people {
		if people[i], err = signUp(ctx, b.stack.APIURL()); err != nil {
			return err
		}
	}
	var logins, tails, hashes series
	for i := range b.size.Repetitions {
		b.bar.step("logins, %d of %d", i+1, b.size.Repetitions)
		got, err := hammer(ctx, len(people), b.size.For, func(ctx context.Context, i int) error { return people[i].logIn(ctx) })
		if err != nil {
			return err
		}
		logins, tails = append(logins, got.rate), append(tails, got.p99)
		b.bar.step("argon2id alone, %d of %d", i+1, b.size.Repetitions)
		rate, err := argon(ctx, b.size.For, passwords, b.organizer.password, hash)
		if err != nil {
			return err
		}
		hashes = append(hashes, rate)
	}
	const figure = "login"
	b.report.add(figure, "logins", "/s", logins, nil)
	b.report.add(figure, "the same: p99", "ms", tails, nil)
	b.report.add(figure, "argon2id alone, all cores", "/s", hashes, nil)
	b.report.ratio(figure, "logins to argon2id alone", logins, hashes, nil)
	return nil
}

// argon checks a password for a while on every core and returns how often per
// second.
func argon(ctx context.Context, during time.Duration, passwords *auth.Passwords, password, hash string) (float64, error) {
	counts := make([]int, runtime.NumCPU())
	var group errgroup.Group
	began := time.Now()
	for core := range counts {
		group.Go(func() error {
			for time.Since(began) < during {
				outcome, err := passwords.Check(ctx, password, hash)
				if err != nil {
					return err
				}
				if !outcome.Match {
					return errors.New("argon2id does not know the password again")
				}
				counts[core]++
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	return perSecond(total, time.Since(began)), nil
}
