package races

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

func TestBodiesOfferTheRulesThatThereAre(t *testing.T) {
	t.Parallel()
	var offered []string
	for _, rule := range scoring.Offered() {
		offered = append(offered, string(rule))
	}
	for _, body := range []any{NewRaceBody{}, RaceChangeBody{}} {
		field, found := reflect.TypeOf(body).FieldByName("Scoring")
		require.True(t, found)
		require.Equal(t, strings.Join(offered, ","), field.Tag.Get("enum"))
	}
	field, _ := reflect.TypeFor[NewRaceBody]().FieldByName("Scoring")
	require.Equal(t, string(scoring.Default), field.Tag.Get("default"))
}
