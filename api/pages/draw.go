package pages

import (
	"context"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

func drawPath(raceID string) string { return racePath(raceID) + "/draw" }

// drawScript computes a draw again from what is published. It stands for the pages'
// readers, who need not trust the program that drew.
const drawScript = `import csv, hashlib, hmac, json, urllib.request

race = "RACE"
draw = json.load(urllib.request.urlopen(race + "/entry/draw"))
rows = urllib.request.urlopen(race + "/entry/draw.csv").read().decode().splitlines()
rows = {row["number"]: row for row in csv.DictReader(rows)}

seed = draw["seed"].encode()
numbers = sorted(rows)
list_hash = hashlib.sha256("".join(n + "\n" for n in numbers).encode()).hexdigest()
assert hashlib.sha256(seed).hexdigest() == draw["commitment"]
assert list_hash == draw["list_hash"]
numbers.sort(key=lambda n: hmac.new(seed, f"{list_hash}:{n}".encode(), "sha256").digest())
missed = set()
for place, number in enumerate(numbers, 1):
    row = rows[number]
    assert row["place"] == str(place), number
    if row["result"] in ("waiting", "not_drawn"):
        missed.add(row["pool"])
    elif row["result"] == "entered" and row["pool"] in missed:
        print(number, "is entered behind others: by the organizer, before the draw")
print("The draw is right:", len(numbers), "numbers")
`

// drawPage shows the draw of a race's places and how to check it.
func (s *site) drawPage(ctx context.Context, r *request) (page, error) {
	v, err := s.readRace(ctx, r.raceID)
	if err != nil {
		return page{}, err
	}
	if v.Entry == nil || v.Entry.Order != race.ByDraw {
		return page{}, race.ErrNotFound
	}
	if v.places, err = s.readEntry(ctx, v.Race); err != nil {
		return page{}, err
	}
	return page{title: r.T("draw.title") + " · " + v.Name, body: drawBody(r, v, s.PublicURL+"/v1/races/"+v.ID), keep: keepShort, version: v.latest.Version}, nil
}
