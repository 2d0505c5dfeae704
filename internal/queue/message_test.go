package queue_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/queue"
)

const (
	raceID   = "019a9f3e-6f6e-7c5e-9d2f-0c6a8f1b2c3d"
	recordID = "019a9f3e-7001-7b11-8a4e-5f6071829304"
)

func TestEncodeDecode(t *testing.T) {
	t.Parallel()
	want := queue.Message{RaceID: raceID, RecordID: recordID, Revision: 3}

	text, err := want.Encode()
	require.NoError(t, err)
	require.JSONEq(t, `{"v":1,"race_id":"`+raceID+`","record_id":"`+recordID+`","revision":3}`, text)

	got, err := queue.Decode(text)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestEncodeRefusesWhatDecodeWould(t *testing.T) {
	t.Parallel()
	for _, m := range []queue.Message{
		{},
		{RaceID: raceID, RecordID: recordID},
		{RaceID: raceID, RecordID: "7", Revision: 1},
		{RaceID: strings.ToUpper(raceID), RecordID: recordID, Revision: 1},
	} {
		_, err := m.Encode()
		require.Error(t, err)
	}
}

func TestDecodeNamesTheErrorWithoutTheValue(t *testing.T) {
	t.Parallel()
	const secret = "Ada Lovelace"
	ids := `"race_id":"` + raceID + `","record_id":"` + recordID + `"`
	tests := map[string]struct{ body, want string }{
		"empty":              {``, "not a JSON object"},
		"text":               {secret, "not a JSON object"},
		"array":              {`["` + secret + `"]`, "not a JSON object"},
		"null":               {`null`, "not a JSON object"},
		"cut off":            {`{"v":1,` + ids, "not valid JSON"},
		"broken value":       {`{"v":` + secret + `}`, "not valid JSON"},
		"missing colon":      {`{"v"}`, "not valid JSON"},
		"more behind":        {`{"v":1,` + ids + `,"revision":1} ` + secret, "after the JSON object"},
		"no version":         {`{` + ids + `,"revision":1}`, "v is missing"},
		"null version":       {`{"v":null,` + ids + `,"revision":1}`, "v is not a whole number"},
		"other version":      {`{"v":2,"name":"` + secret + `"}`, "unknown version in v"},
		"no race":            {`{"v":1,"record_id":"` + recordID + `","revision":1}`, "race_id is missing"},
		"no revision":        {`{"v":1,` + ids + `}`, "revision is missing"},
		"unknown field":      {`{"v":1,` + ids + `,"revision":1,"name":"` + secret + `"}`, `unknown field "name"`},
		"other case":         {`{"v":1,` + ids + `,"Revision":1}`, "revision is missing"},
		"field twice":        {`{"v":1,"v":1,` + ids + `,"revision":1}`, `"v" appears twice`},
		"race not text":      {`{"v":1,"race_id":7,"record_id":"` + recordID + `","revision":1}`, "race_id is not text"},
		"race not a UUID":    {`{"v":1,"race_id":"` + secret + `","record_id":"` + recordID + `","revision":1}`, "race_id is not a UUID"},
		"record not a UUID":  {`{"v":1,"race_id":"` + raceID + `","record_id":"{` + recordID + `}","revision":1}`, "record_id is not a UUID"},
		"record null":        {`{"v":1,"race_id":"` + raceID + `","record_id":null,"revision":1}`, "record_id is not a UUID"},
		"revision zero":      {`{"v":1,` + ids + `,"revision":0}`, "revision is less than 1"},
		"revision fraction":  {`{"v":1,` + ids + `,"revision":1.5}`, "revision is not a whole number"},
		"revision text":      {`{"v":1,` + ids + `,"revision":"` + secret + `"}`, "revision is not a whole number"},
		"revision too large": {`{"v":1,` + ids + `,"revision":99999999999999999999}`, "revision is not a whole number"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := queue.Decode(test.body)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "Ada")
			require.NotContains(t, err.Error(), raceID)
		})
	}
}

func TestDecodeCutsLongFieldNames(t *testing.T) {
	t.Parallel()
	_, err := queue.Decode(`{"v":1,"race_id":"","record_id":"","revision":1,"` + strings.Repeat("x", 5000) + `":1}`)
	require.ErrorContains(t, err, "unknown field")
	require.Less(t, len(err.Error()), 200)
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"v":1,"race_id":"` + raceID + `","record_id":"` + recordID + `","revision":3}`)
	f.Add(`{"v":2}`)
	f.Add(`{"v":1,"v":1}`)
	f.Add(`[]`)
	f.Add("{\"v\":1}\x00")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := queue.Decode(text)
		if err != nil {
			return
		}
		again, err := m.Encode()
		require.NoError(t, err, "what is decoded can be encoded")
		back, err := queue.Decode(again)
		require.NoError(t, err)
		require.Equal(t, m, back)
	})
}
