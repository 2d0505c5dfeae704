package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/mrmrthon/mrmrthon/internal/browser"
)

// A cheap phone on a mobile line: Chromium computes at a quarter of its speed, and gets
// 1.6 Mbit/s with 150 ms to the server and back.
const (
	slowDown   = 4
	lineDelay  = 150        // ms
	lineDown   = 1.6e6 / 8  // bytes a second
	lineUp     = 0.75e6 / 8 // likewise
	settleTime = 2000       // ms in which a page may still shift
)

// painted says when the largest element of a page was painted, and how much has shifted
// by a second after it was loaded.
const painted = `new Promise((done) => {
	let largest = 0, shifted = 0;
	new PerformanceObserver((list) => { for (const entry of list.getEntries()) largest = entry.startTime; }).observe({type: "largest-contentful-paint", buffered: true});
	new PerformanceObserver((list) => { for (const entry of list.getEntries()) if (!entry.hadRecentInput) shifted += entry.value; }).observe({type: "layout-shift", buffered: true});
	setTimeout(() => done({largest, shifted}), %d);
})`

// view measures what somebody waits for who opens the standings on such a phone for the
// first time.
func (b *bench) view(ctx context.Context) error {
	raceID, err := b.finishersRace(ctx)
	if err != nil {
		return err
	}
	b.say("standings on a slow phone")
	chromium, err := browser.Start(ctx)
	if err != nil {
		return err
	}
	defer chromium.Stop()
	tab, err := chromium.Open(browser.View{Width: 390, Height: 844}) //nolint:contextcheck // a browser keeps the context it was started with
	if err != nil {
		return err
	}
	defer tab.Close()
	var seen struct{ Largest, Shifted float64 }
	err = tab.Run( //nolint:contextcheck // likewise
		network.Enable(), network.SetCacheDisabled(true), network.EmulateNetworkConditions(false, lineDelay, lineDown, lineUp), emulation.SetCPUThrottlingRate(slowDown),
		chromedp.Navigate(b.stack.APIURL()+"/en/races/"+raceID+"/standings"),
		chromedp.Evaluate(fmt.Sprintf(painted, settleTime), &seen, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }),
	)
	if err == nil && seen.Largest == 0 {
		err = errors.New("nothing was painted")
	}
	if err != nil {
		return fmt.Errorf("open the standings in Chromium: %w", err)
	}
	b.report.add("view", fmt.Sprintf("standings of %s on a slow phone: largest element painted", thousands(b.size.Finishers)), "ms", seen.Largest, target{atMost: 1000})
	b.report.add("view", "  shifted (CLS, thousandths)", "", 1000*seen.Shifted, target{atMost: 20})
	return nil
}
