package notice_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/notice"
)

func TestPreferences(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 9, 8, 0, 0, 0, time.UTC)
	of := func(kind notice.Kind) notice.Definition {
		d, known := notice.Of(kind)
		require.True(t, known)
		return d
	}
	off := notice.Preferences{Chosen: []notice.Choice{
		{Kind: notice.ResultPosted, Channel: notice.Email, State: notice.Off}, {Kind: notice.OfferMade, Channel: notice.Email, State: notice.Off},
	}}
	paused, over := notice.Preferences{PausedUntil: now.Add(time.Hour)}, notice.Preferences{PausedUntil: now}
	require.False(t, off.Wants(of(notice.ResultPosted), notice.Email, now))
	require.True(t, off.Wants(of(notice.PlaceMoved), notice.Email, now))
	require.True(t, off.Wants(of(notice.OfferMade), notice.Email, now), "nobody does without what they must answer")
	require.False(t, paused.Wants(of(notice.PlaceMoved), notice.Email, now))
	require.True(t, paused.Wants(of(notice.OfferEnding), notice.Email, now))
	require.True(t, over.Wants(of(notice.PlaceMoved), notice.Email, now))
	require.Equal(t, notice.Digest, over.State(of(notice.PointsCredited), notice.Email))
	require.Empty(t, of(notice.Security).Choices())
}

func TestUnsubscribeToken(t *testing.T) {
	t.Parallel()
	mine := notice.Unsubscriber{ID: [16]byte{1}, Secret: [32]byte{2}}
	token := mine.Token(notice.ResultPosted)
	read, ok := notice.ParseToken(token)
	require.True(t, ok)
	require.True(t, read.Verify(mine))
	require.Equal(t, notice.ResultPosted, read.Kind.Kind)
	other, ok := notice.ParseToken(strings.Replace(token, "result-posted", "place-moved", 1))
	require.True(t, ok)
	require.False(t, other.Verify(mine), "a token is for one kind")
	require.False(t, read.Verify(notice.Unsubscriber{ID: mine.ID, Secret: [32]byte{3}}))
	for _, wrong := range []string{"", "a.b.c", token + ".x", token + "!", mine.Token(notice.OfferMade), mine.Token("other"), strings.Repeat("x", 10_000)} {
		_, ok := notice.ParseToken(wrong)
		require.False(t, ok, wrong)
	}
}
