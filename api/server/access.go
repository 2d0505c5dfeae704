package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Who is a kind of caller that a route is open to.
type Who int

// Viewer, Timing, Editor and Owner are callers with at least that role in the race in
// the path; OwnerOrOperator lets operators act on any race as well. A route that
// shows different callers different things is open to Anyone here, and its handler
// decides. An API key may do what its scope and its creator's role allow, never what
// only an owner or a holder may.
const (
	Anyone Who = iota + 1
	Holder     // of any valid access token
	Runner
	Organizer
	Viewer
	Timing
	Editor
	Owner
	OwnerOrOperator
	EditorOrOperator // likewise
	Operator
)

// roleFor is the role in the race that a route needs.
var roleFor = map[Who]race.Role{
	Viewer: race.Viewer, Timing: race.Timing, Editor: race.Editor, EditorOrOperator: race.Editor, Owner: race.Owner, OwnerOrOperator: race.Owner,
}

// Rule is an entry of the access table.
type Rule struct {
	Who Who
	// Creates marks a POST that honours an Idempotency-Key.
	Creates bool
	// Secret marks a call whose answer holds a secret. It is never stored: a retry
	// with the same Idempotency-Key runs the handler again, with the same
	// ResourceID.
	Secret bool
	// MoreForOwner marks a route for Anyone that shows the race's owner and staff more.
	MoreForOwner bool
	// ByKey marks a route for organizers that an API key with the scope all may call,
	// if it is not bound to a race.
	ByKey bool
	// Streams marks a GET whose answer continues until its reader leaves, so it has
	// no deadline.
	Streams bool
}

// Access is the one place that decides who may call what, by method and route
// pattern. A route that is not listed is refused to everybody.
var Access = map[string]Rule{
	"GET /":                                                            {Who: Anyone},
	"GET /assets/*":                                                    {Who: Anyone},
	"GET /{lang}":                                                      {Who: Anyone},
	"GET /{lang}/races":                                                {Who: Anyone},
	"GET /{lang}/races/{race_id}":                                      {Who: Anyone},
	"GET /{lang}/races/{race_id}/standings":                            {Who: Anyone},
	"GET /{lang}/races/{race_id}/results/{bib}":                        {Who: Anyone},
	"GET /{lang}/races/{race_id}/compare":                              {Who: Anyone},
	"GET /{lang}/races/{race_id}/draw":                                 {Who: Anyone},
	"GET /{lang}/races/{race_id}/posts":                                {Who: Anyone},
	"GET /{lang}/races/{race_id}/posts.atom":                           {Who: Anyone},
	"GET /{lang}/races/{race_id}/posts/{post_id}":                      {Who: Anyone},
	"GET /{lang}/my/races/{race_id}/posts/{post_id}":                   {Who: Holder},
	"POST /{lang}/my/races/{race_id}/posts/{post_id}":                  {Who: Holder, Creates: true},
	"GET /{lang}/organize/races/{race_id}/tasks":                       {Who: Viewer},
	"GET /{lang}/organize/races/{race_id}/tasks/new":                   {Who: Editor},
	"POST /{lang}/organize/races/{race_id}/tasks/new":                  {Who: Editor, Creates: true},
	"GET /{lang}/organize/races/{race_id}/tasks/copy":                  {Who: Editor},
	"POST /{lang}/organize/races/{race_id}/tasks/copy":                 {Who: Editor}, // as the call
	"GET /{lang}/organize/races/{race_id}/tasks/move":                  {Who: Editor},
	"POST /{lang}/organize/races/{race_id}/tasks/move":                 {Who: Editor, Creates: true},
	"GET /{lang}/organize/races/{race_id}/tasks/{task_id}":             {Who: Viewer},
	"POST /{lang}/organize/races/{race_id}/tasks/{task_id}":            {Who: Editor},
	"POST /{lang}/organize/races/{race_id}/tasks/{task_id}/status":     {Who: Viewer}, // an editor, or its assignee
	"POST /{lang}/organize/races/{race_id}/tasks/{task_id}/place":      {Who: Editor},
	"GET /{lang}/organize/races/{race_id}/calendar":                    {Who: Viewer},
	"POST /{lang}/organize/races/{race_id}/calendar":                   {Who: Viewer, Secret: true}, // as the calls
	"GET /{lang}/organize/races/{race_id}/posts":                       {Who: Viewer},
	"GET /{lang}/organize/races/{race_id}/posts/new":                   {Who: Editor},
	"POST /{lang}/organize/races/{race_id}/posts/new":                  {Who: Editor, Creates: true},
	"GET /{lang}/organize/races/{race_id}/posts/{post_id}":             {Who: Viewer},
	"POST /{lang}/organize/races/{race_id}/posts/{post_id}":            {Who: Editor},
	"GET /{lang}/organize/races/{race_id}/comments":                    {Who: Viewer},
	"POST /{lang}/organize/races/{race_id}/comments":                   {Who: Editor},
	"GET /{lang}/races/{race_id}/announcer":                            {Who: Anyone},
	"GET /{lang}/races/{race_id}/certificate/{bib}":                    {Who: Anyone},
	"GET /{lang}/races/{race_id}/verify/{bib}":                         {Who: Anyone},
	"GET /{lang}/series":                                               {Who: Anyone},
	"GET /{lang}/series/{series_id}":                                   {Who: Anyone},
	"GET /{lang}/series/{series_id}/runners/{user_id}":                 {Who: Anyone},
	"GET /{lang}/leaderboard":                                          {Who: Anyone},
	"GET /{lang}/status":                                               {Who: Anyone},
	"GET /{lang}/account/login":                                        {Who: Anyone},
	"POST /{lang}/account/login":                                       {Who: Anyone},
	"GET /{lang}/account/signup":                                       {Who: Anyone},
	"POST /{lang}/account/signup":                                      {Who: Anyone, Creates: true, Secret: true},
	"GET /{lang}/account/recover":                                      {Who: Anyone},
	"POST /{lang}/account/recover":                                     {Who: Anyone},
	"POST /{lang}/account/logout":                                      {Who: Anyone},
	"GET /{lang}/my":                                                   {Who: Holder},
	"GET /{lang}/account/link":                                         {Who: Anyone},
	"POST /{lang}/account/link":                                        {Who: Anyone},
	"POST /{lang}/account/passkey/begin":                               {Who: Anyone},
	"POST /{lang}/account/passkey":                                     {Who: Anyone},
	"GET /{lang}/my/results":                                           {Who: Runner},
	"GET /{lang}/my/results/{race_id}/{record_id}/dispute":             {Who: Runner},
	"POST /{lang}/my/results/{race_id}/{record_id}/dispute":            {Who: Runner, Creates: true},
	"POST /{lang}/my/disputes/{dispute_id}/withdraw":                   {Who: Runner},
	"GET /{lang}/my/points":                                            {Who: Runner},
	"GET /{lang}/my/races":                                             {Who: Runner},
	"GET /{lang}/my/races/{race_id}":                                   {Who: Runner},
	"POST /{lang}/my/races/{race_id}":                                  {Who: Runner, Creates: true},
	"POST /{lang}/my/races/{race_id}/cancel":                           {Who: Runner},
	"POST /{lang}/my/races/{race_id}/accept":                           {Who: Runner},
	"POST /{lang}/my/races/{race_id}/defer":                            {Who: Runner}, // repeating it changes nothing, so it needs no key
	"POST /{lang}/my/races/{race_id}/decline":                          {Who: Runner},
	"POST /{lang}/my/races/{race_id}/standing":                         {Who: Runner},
	"GET /{lang}/my/races/{race_id}/transfer":                          {Who: Runner},
	"POST /{lang}/my/races/{race_id}/transfer":                         {Who: Runner, Creates: true, Secret: true},
	"POST /{lang}/my/races/{race_id}/transfer/confirm":                 {Who: Runner}, // repeating it changes nothing, so it needs no key
	"POST /{lang}/my/races/{race_id}/transfer/withdraw":                {Who: Runner},
	"GET /{lang}/my/races/{race_id}/receive":                           {Who: Runner},
	"POST /{lang}/my/races/{race_id}/receive":                          {Who: Runner}, // likewise
	"GET /{lang}/my/claims":                                            {Who: Runner},
	"GET /{lang}/my/claims/new":                                        {Who: Runner},
	"POST /{lang}/my/claims/new":                                       {Who: Runner, Creates: true},
	"POST /{lang}/my/claims/{claim_id}/accept":                         {Who: Runner},
	"POST /{lang}/my/claims/{claim_id}/end":                            {Who: Runner},
	"GET /{lang}/my/records":                                           {Who: Runner},
	"GET /{lang}/my/records/new":                                       {Who: Runner},
	"POST /{lang}/my/records/new":                                      {Who: Runner, Creates: true},
	"GET /{lang}/my/records/{record_id}":                               {Who: Runner},
	"POST /{lang}/my/records/{record_id}":                              {Who: Runner},
	"POST /{lang}/my/records/{record_id}/delete":                       {Who: Runner},
	"GET /{lang}/my/settings":                                          {Who: Holder},
	"POST /{lang}/my/settings":                                         {Who: Holder},
	"GET /{lang}/my/notices":                                           {Who: Holder},
	"POST /{lang}/my/notices":                                          {Who: Holder},
	"GET /{lang}/my/email":                                             {Who: Holder},
	"POST /{lang}/my/email":                                            {Who: Holder},
	"GET /{lang}/my/password":                                          {Who: Holder},
	"POST /{lang}/my/password":                                         {Who: Holder},
	"GET /{lang}/my/sessions":                                          {Who: Holder},
	"POST /{lang}/my/sessions":                                         {Who: Holder},
	"POST /{lang}/my/sessions/{session_id}/end":                        {Who: Holder},
	"GET /{lang}/my/passkeys":                                          {Who: Holder},
	"POST /{lang}/my/passkeys/begin":                                   {Who: Holder},
	"POST /{lang}/my/passkeys/add":                                     {Who: Holder},
	"POST /{lang}/my/passkeys/{passkey_id}/remove":                     {Who: Holder},
	"GET /{lang}/my/keys":                                              {Who: Organizer},
	"POST /{lang}/my/keys/{key_id}/revoke":                             {Who: Organizer},
	"GET /{lang}/my/export":                                            {Who: Holder},
	"GET /{lang}/my/changes":                                           {Who: Holder},
	"GET /{lang}/my/leave":                                             {Who: Holder},
	"POST /{lang}/my/leave":                                            {Who: Holder},
	"GET /{lang}/privacy":                                              {Who: Anyone},
	"GET /{lang}/organize/races/{race_id}/files":                       {Who: Viewer},
	"POST /{lang}/organize/races/{race_id}/files":                      {Who: Timing, Creates: true},
	"GET /{lang}/organize/races/{race_id}/files/{import_id}":           {Who: Viewer},
	"GET /{lang}/organize/races/{race_id}/files/{import_id}/file":      {Who: Viewer},
	"GET /{lang}/organize/races/{race_id}/files/{import_id}/again":     {Who: Viewer},
	"POST /{lang}/organize/races/{race_id}/files/{import_id}/again":    {Who: Timing, Creates: true},
	"GET /{lang}/organize/races/{race_id}/files/{import_id}/apply":     {Who: Viewer},
	"POST /{lang}/organize/races/{race_id}/files/{import_id}/apply":    {Who: Timing}, // repeating it changes nothing, so it needs no key
	"GET /{lang}/organize/races/{race_id}/files/{import_id}/undo":      {Who: Timing},
	"POST /{lang}/organize/races/{race_id}/files/{import_id}/undo":     {Who: Timing}, // likewise
	"GET /{lang}/organize/races/{race_id}/progress":                    {Who: Viewer},
	"GET /{lang}/organize/races/{race_id}/records":                     {Who: Viewer},
	"GET /{lang}/organize/races/{race_id}/records/new":                 {Who: Timing},
	"POST /{lang}/organize/races/{race_id}/records/new":                {Who: Timing, Creates: true},
	"GET /{lang}/races/{race_id}/teams":                                {Who: Anyone},
	"GET /{lang}/races/{race_id}/awards":                               {Who: Anyone},
	"GET /{lang}/organize/races/{race_id}/records/{record_id}":         {Who: Viewer},
	"POST /{lang}/organize/races/{race_id}/records/{record_id}":        {Who: Timing}, // the revision that it is based on makes it count once
	"GET /{lang}/organize/races/{race_id}/records/{record_id}/swap":    {Who: Timing},
	"POST /{lang}/organize/races/{race_id}/records/{record_id}/swap":   {Who: Timing},
	"GET /{lang}/organize/races/{race_id}/records/{record_id}/remove":  {Who: Timing},
	"POST /{lang}/organize/races/{race_id}/records/{record_id}/remove": {Who: Timing},
	"GET /{lang}/operate":                                              {Who: Operator},
	"GET /{lang}/operate/credits":                                      {Who: Operator},
	"GET /{lang}/operate/credits/{record_id}":                          {Who: Operator},
	"GET /{lang}/operate/credits/{record_id}/retry":                    {Who: Operator},
	"POST /{lang}/operate/credits/{record_id}/retry":                   {Who: Operator},
	"GET /{lang}/operate/retry":                                        {Who: Operator},
	"POST /{lang}/operate/retry":                                       {Who: Operator},
	"GET /{lang}/operate/dead-letters":                                 {Who: Operator},
	"GET /{lang}/operate/dead-letters/redrive":                         {Who: Operator},
	"POST /{lang}/operate/dead-letters/redrive":                        {Who: Operator},
	"GET /{lang}/operate/dead-letters/discard":                         {Who: Operator},
	"POST /{lang}/operate/dead-letters/discard":                        {Who: Operator},
	"GET /{lang}/operate/audits":                                       {Who: Operator},
	"GET /{lang}/operate/audits/start":                                 {Who: Operator},
	"POST /{lang}/operate/audits/start":                                {Who: Operator},
	"GET /{lang}/operate/totals/{user_id}":                             {Who: Operator},
	"POST /{lang}/operate/totals/{user_id}":                            {Who: Operator},
	"GET /{lang}/operate/actions":                                      {Who: Operator},
	"GET /{lang}/operate/offers":                                       {Who: Operator},
	"GET /{lang}/operate/deliveries":                                   {Who: Operator},
	"POST /{lang}/operate/deliveries/{delivery_id}/replay":             {Who: Operator},
	"GET /{lang}/operate/comments":                                     {Who: Operator},
	"GET /{lang}/operate/comments/{comment_id}/hide":                   {Who: Operator},
	"POST /{lang}/operate/comments/{comment_id}/hide":                  {Who: Operator},
	"GET /{lang}/operate/comments/{comment_id}/show":                   {Who: Operator},
	"POST /{lang}/operate/comments/{comment_id}/show":                  {Who: Operator},
	"GET /{lang}/operate/mails":                                        {Who: Operator},
	"GET /{lang}/operate/mails/{mail_id}/resend":                       {Who: Operator},
	"POST /{lang}/operate/mails/{mail_id}/resend":                      {Who: Operator},
	"GET /{lang}/operate/changes":                                      {Who: Operator},
	"GET /{lang}/operate/changes/export":                               {Who: Operator},
	"GET /{lang}/operate/accounts":                                     {Who: Operator},
	"POST /{lang}/operate/accounts":                                    {Who: Operator},
	"GET /{lang}/operate/accounts/{user_id}":                           {Who: Operator},
	"GET /{lang}/operate/accounts/{user_id}/suspend":                   {Who: Operator},
	"POST /{lang}/operate/accounts/{user_id}/suspend":                  {Who: Operator},
	"GET /{lang}/operate/accounts/{user_id}/restore":                   {Who: Operator},
	"POST /{lang}/operate/accounts/{user_id}/restore":                  {Who: Operator},
	"GET /{lang}/operate/accounts/{user_id}/remove-passkeys":           {Who: Operator},
	"POST /{lang}/operate/accounts/{user_id}/remove-passkeys":          {Who: Operator},
	"GET /{lang}/operate/accounts/{user_id}/verify":                    {Who: Operator},
	"POST /{lang}/operate/accounts/{user_id}/verify":                   {Who: Operator},
	"GET /{lang}/operate/accounts/{user_id}/unverify":                  {Who: Operator},
	"POST /{lang}/operate/accounts/{user_id}/unverify":                 {Who: Operator},
	"GET /{lang}/operate/races/{race_id}":                              {Who: Operator},
	"GET /{lang}/operate/series/{series_id}/recompute":                 {Who: Operator},
	"POST /{lang}/operate/series/{series_id}/recompute":                {Who: Operator},
	"GET /{lang}/operate/races/{race_id}/recompute":                    {Who: Operator},
	"POST /{lang}/operate/races/{race_id}/recompute":                   {Who: Operator},
	"GET /{lang}/operate/races/{race_id}/hand-over":                    {Who: Operator},
	"POST /{lang}/operate/races/{race_id}/hand-over":                   {Who: Operator},
	"GET /{lang}/operate/races/{race_id}/void":                         {Who: Operator},
	"POST /{lang}/operate/races/{race_id}/void":                        {Who: Operator},
	"GET /{lang}/operate/people":                                       {Who: Operator},
	"GET /{lang}/operate/people/merge":                                 {Who: Operator},
	"POST /{lang}/operate/people/merge":                                {Who: Operator},
	"GET /{lang}/operate/people/separate":                              {Who: Operator},
	"POST /{lang}/operate/people/separate":                             {Who: Operator},

	"GET /{lang}/organize":                                                             {Who: Holder},
	"POST /{lang}/organize/invitations/{invitation_id}":                                {Who: Holder},
	"GET /{lang}/organize/series":                                                      {Who: Organizer},
	"GET /{lang}/organize/series/new":                                                  {Who: Organizer},
	"POST /{lang}/organize/series/new":                                                 {Who: Organizer, Creates: true},
	"GET /{lang}/organize/series/{series_id}":                                          {Who: Organizer}, // its owner
	"POST /{lang}/organize/series/{series_id}":                                         {Who: Organizer}, // its owner
	"POST /{lang}/organize/series/{series_id}/delete":                                  {Who: Organizer}, // its owner
	"GET /{lang}/organize/races/new":                                                   {Who: Organizer},
	"POST /{lang}/organize/races/new":                                                  {Who: Organizer, Creates: true},
	"GET /{lang}/organize/races/{race_id}":                                             {Who: Viewer},
	"GET /{lang}/organize/races/{race_id}/participants":                                {Who: Viewer},
	"GET /{lang}/organize/races/{race_id}/entries":                                     {Who: Viewer},
	"POST /{lang}/organize/races/{race_id}/entries":                                    {Who: Editor},
	"GET /{lang}/organize/races/{race_id}/entries.csv":                                 {Who: Viewer},
	"GET /{lang}/organize/races/{race_id}/entries/{user_id}":                           {Who: Viewer},
	"POST /{lang}/organize/races/{race_id}/entries/{user_id}/enter":                    {Who: Editor}, // repeating it changes nothing, so it needs no key
	"POST /{lang}/organize/races/{race_id}/entries/{user_id}/remove":                   {Who: Editor}, // likewise
	"GET /{lang}/organize/races/{race_id}/admissions":                                  {Who: Viewer},
	"POST /{lang}/organize/races/{race_id}/admissions":                                 {Who: Editor, Creates: true},
	"POST /{lang}/organize/races/{race_id}/admissions/{admission_id}/end":              {Who: Editor},
	"GET /{lang}/organize/races/{race_id}/transfers":                                   {Who: Viewer},
	"POST /{lang}/organize/races/{race_id}/entries/{user_id}/transfer":                 {Who: Editor, Creates: true, Secret: true},
	"POST /{lang}/organize/races/{race_id}/entries/{user_id}/transfer/confirm":         {Who: Editor}, // likewise
	"POST /{lang}/organize/races/{race_id}/entries/{user_id}/transfer/withdraw":        {Who: Editor},
	"GET /{lang}/organize/races/{race_id}/versions":                                    {Who: Viewer},
	"GET /{lang}/organize/races/{race_id}/exports":                                     {Who: Viewer},
	"GET /{lang}/organize/races/{race_id}/changes":                                     {Who: Viewer},
	"GET /{lang}/organize/races/{race_id}/changes/export":                              {Who: Viewer},
	"GET /{lang}/organize/races/{race_id}/settings/{part}":                             {Who: Editor},
	"POST /{lang}/organize/races/{race_id}/settings/{part}":                            {Who: Editor},
	"GET /{lang}/organize/races/{race_id}/publish":                                     {Who: Viewer},
	"POST /{lang}/organize/races/{race_id}/publish":                                    {Who: Editor},
	"GET /{lang}/organize/races/{race_id}/void":                                        {Who: Owner},
	"POST /{lang}/organize/races/{race_id}/void":                                       {Who: Owner},
	"GET /{lang}/organize/races/{race_id}/staff":                                       {Who: Viewer},
	"POST /{lang}/organize/races/{race_id}/staff":                                      {Who: Owner, Creates: true},
	"POST /{lang}/organize/races/{race_id}/staff/{user_id}":                            {Who: Viewer}, // themselves, unless the owner
	"POST /{lang}/organize/races/{race_id}/staff/invitations/{invitation_id}/withdraw": {Who: Owner},
	"GET /{lang}/organize/races/{race_id}/hand-over":                                   {Who: Owner},
	"POST /{lang}/organize/races/{race_id}/hand-over":                                  {Who: Owner, Creates: true},
	"GET /{lang}/organize/races/{race_id}/claims":                                      {Who: Owner},
	"GET /{lang}/organize/races/{race_id}/claims/{claim_id}":                           {Who: Owner},
	"POST /{lang}/organize/races/{race_id}/claims/{claim_id}":                          {Who: Owner},
	"GET /{lang}/organize/races/{race_id}/claim-codes":                                 {Who: Owner},
	"GET /{lang}/organize/races/{race_id}/claim-codes.csv":                             {Who: Owner},
	"GET /{lang}/organize/races/{race_id}/disputes":                                    {Who: Viewer},
	"GET /{lang}/organize/races/{race_id}/disputes/{dispute_id}":                       {Who: Viewer},
	"POST /{lang}/organize/races/{race_id}/disputes/{dispute_id}":                      {Who: Timing},
	"GET /{lang}/organize/races/{race_id}/keys":                                        {Who: Owner},
	"POST /{lang}/organize/races/{race_id}/keys":                                       {Who: Owner, Creates: true, Secret: true},
	"POST /{lang}/organize/races/{race_id}/keys/{key_id}/revoke":                       {Who: Owner},
	"GET /{lang}/organize/races/{race_id}/notices":                                     {Who: Viewer},
	"GET /{lang}/organize/races/{race_id}/notices/{kind}":                              {Who: Viewer},
	"GET /{lang}/organize/races/{race_id}/webhooks":                                    {Who: Owner},
	"POST /{lang}/organize/races/{race_id}/webhooks":                                   {Who: Owner, Creates: true, Secret: true},
	"GET /{lang}/organize/races/{race_id}/webhooks/{webhook_id}":                       {Who: Owner},
	"POST /{lang}/organize/races/{race_id}/webhooks/{webhook_id}":                      {Who: Owner}, // as the calls that it stands for

	"GET /healthz":                          {Who: Anyone},
	"GET /readyz":                           {Who: Anyone},
	"GET /metrics":                          {Who: Anyone},
	"GET /openapi.json":                     {Who: Anyone},
	"GET /docs":                             {Who: Anyone},
	"GET /docs/*":                           {Who: Anyone},
	"GET /.well-known/jwks.json":            {Who: Anyone},
	"POST /v1/users":                        {Who: Anyone, Creates: true},
	"POST /v1/login":                        {Who: Anyone},
	"POST /v1/login/passkey/begin":          {Who: Anyone},
	"POST /v1/login/passkey":                {Who: Anyone},
	"POST /v1/token/refresh":                {Who: Anyone}, // the refresh token is the proof
	"POST /v1/users/recovery":               {Who: Anyone}, // repeating it mails another link
	"POST /v1/users/password":               {Who: Anyone}, // the token of the mail is the proof
	"POST /v1/users/confirm":                {Who: Anyone}, // likewise
	"GET /v1/users/link":                    {Who: Anyone},
	"POST /v1/logout":                       {Who: Anyone}, // likewise
	"GET /v1/me":                            {Who: Holder},
	"PATCH /v1/me":                          {Who: Holder},
	"DELETE /v1/me":                         {Who: Holder},
	"GET /v1/me/changes":                    {Who: Holder},
	"GET /v1/me/export":                     {Who: Holder},
	"GET /v1/me/notices":                    {Who: Holder},
	"PATCH /v1/me/notices":                  {Who: Holder},
	"GET /v1/unsubscribe/{token}":           {Who: Anyone},
	"POST /v1/unsubscribe/{token}":          {Who: Anyone}, // the token of the mail is the proof
	"GET /v1/me/sessions":                   {Who: Holder},
	"DELETE /v1/me/sessions":                {Who: Holder},
	"DELETE /v1/me/sessions/{session_id}":   {Who: Holder},
	"POST /v1/me/passkeys/begin":            {Who: Holder},
	"POST /v1/me/passkeys":                  {Who: Holder, Creates: true},
	"GET /v1/me/passkeys":                   {Who: Holder},
	"DELETE /v1/me/passkeys/{passkey_id}":   {Who: Holder},
	"GET /v1/me/points":                     {Who: Runner},
	"GET /v1/me/results":                    {Who: Runner},
	"POST /v1/me/unofficial-records":        {Who: Runner, Creates: true},
	"GET /v1/me/unofficial-records":         {Who: Runner},
	"GET /v1/me/unofficial-records/{id}":    {Who: Runner},
	"PATCH /v1/me/unofficial-records/{id}":  {Who: Runner},
	"DELETE /v1/me/unofficial-records/{id}": {Who: Runner},

	"GET /v1/me/claims":                      {Who: Runner},
	"POST /v1/me/claims":                     {Who: Runner, Creates: true},
	"POST /v1/me/claims/{claim_id}/accept":   {Who: Runner}, // answers are safe to repeat: no key is needed
	"POST /v1/me/claims/{claim_id}/decline":  {Who: Runner},
	"POST /v1/me/claims/{claim_id}/withdraw": {Who: Runner},

	"GET /v1/me/disputes":                                   {Who: Runner},
	"POST /v1/me/disputes/{dispute_id}/withdraw":            {Who: Runner}, // repeating it changes nothing, so it needs no key
	"GET /v1/me/keys":                                       {Who: Organizer},
	"POST /v1/me/keys":                                      {Who: Organizer, Creates: true, Secret: true},
	"DELETE /v1/me/keys/{key_id}":                           {Who: Organizer},
	"GET /v1/me/races":                                      {Who: Holder},
	"GET /v1/me/tasks":                                      {Who: Holder},
	"GET /v1/me/staff-invitations":                          {Who: Holder},
	"POST /v1/me/staff-invitations/{invitation_id}/accept":  {Who: Holder}, // repeating it changes nothing, so it needs no key
	"POST /v1/me/staff-invitations/{invitation_id}/decline": {Who: Holder}, // likewise

	"POST /v1/races":                                                                 {Who: Organizer, Creates: true, ByKey: true},
	"GET /v1/races":                                                                  {Who: Anyone},
	"GET /v1/races/{race_id}":                                                        {Who: Anyone},
	"PATCH /v1/races/{race_id}":                                                      {Who: Editor},
	"DELETE /v1/races/{race_id}":                                                     {Who: Owner},
	"POST /v1/races/{race_id}/void":                                                  {Who: OwnerOrOperator}, // repeating it changes nothing, so it needs no key
	"GET /v1/races/{race_id}/staff":                                                  {Who: Viewer},
	"POST /v1/races/{race_id}/staff":                                                 {Who: Owner, Creates: true},
	"PATCH /v1/races/{race_id}/staff/{user_id}":                                      {Who: Owner},
	"DELETE /v1/races/{race_id}/staff/{user_id}":                                     {Who: Viewer}, // themselves, unless the owner
	"DELETE /v1/races/{race_id}/staff/invitations/{invitation_id}":                   {Who: Owner},
	"POST /v1/races/{race_id}/hand-over":                                             {Who: OwnerOrOperator, Creates: true},
	"GET /v1/races/{race_id}/keys":                                                   {Who: Owner},
	"POST /v1/races/{race_id}/keys":                                                  {Who: Owner, Creates: true, Secret: true},
	"DELETE /v1/races/{race_id}/keys/{key_id}":                                       {Who: Owner},
	"GET /v1/races/{race_id}/webhooks":                                               {Who: Owner},
	"POST /v1/races/{race_id}/webhooks":                                              {Who: Owner, Creates: true, Secret: true},
	"GET /v1/races/{race_id}/webhooks/{webhook_id}":                                  {Who: Owner},
	"PATCH /v1/races/{race_id}/webhooks/{webhook_id}":                                {Who: Owner},
	"DELETE /v1/races/{race_id}/webhooks/{webhook_id}":                               {Who: Owner},
	"POST /v1/races/{race_id}/webhooks/{webhook_id}/rotate":                          {Who: Owner}, // repeating it gives another secret; the last ones stay good for a day
	"POST /v1/races/{race_id}/webhooks/{webhook_id}/replay":                          {Who: Owner}, // repeating it sends again, under the same IDs
	"POST /v1/races/{race_id}/webhooks/{webhook_id}/test":                            {Who: Owner}, // repeating it sends another
	"GET /v1/races/{race_id}/webhooks/{webhook_id}/deliveries":                       {Who: Owner},
	"POST /v1/races/{race_id}/webhooks/{webhook_id}/deliveries/{delivery_id}/replay": {Who: Owner}, // likewise
	"GET /v1/races/{race_id}/changes":                                                {Who: Viewer},
	"GET /v1/races/{race_id}/changes/export":                                         {Who: Viewer, Streams: true},
	"GET /v1/races/{race_id}/tasks":                                                  {Who: Viewer},
	"POST /v1/races/{race_id}/tasks":                                                 {Who: Editor, Creates: true},
	"POST /v1/races/{race_id}/tasks/copy":                                            {Who: Editor}, // repeating it adds nothing twice, so it needs no key
	"GET /v1/races/{race_id}/tasks/{task_id}":                                        {Who: Viewer},
	"PATCH /v1/races/{race_id}/tasks/{task_id}":                                      {Who: Editor},
	"POST /v1/races/{race_id}/tasks/{task_id}/status":                                {Who: Viewer}, // an editor, or its assignee; repeating it changes nothing, so it needs no key
	"DELETE /v1/races/{race_id}/tasks/{task_id}":                                     {Who: Editor},
	"GET /v1/races/{race_id}/calendar":                                               {Who: Viewer},
	"POST /v1/races/{race_id}/calendar":                                              {Who: Viewer, Secret: true}, // repeating it gives another address, which replaces the first
	"DELETE /v1/races/{race_id}/calendar":                                            {Who: Viewer},
	"GET /v1/calendar/{token}":                                                       {Who: Anyone}, // the token is the proof

	"POST /v1/races/{race_id}/participants":      {Who: Runner, Creates: true},
	"GET /v1/races/{race_id}/participants/me":    {Who: Runner},
	"DELETE /v1/races/{race_id}/participants/me": {Who: Runner},
	"GET /v1/races/{race_id}/participants":       {Who: Viewer},

	"PATCH /v1/races/{race_id}/participants/me":         {Who: Runner},
	"POST /v1/races/{race_id}/participants/me/accept":   {Who: Runner}, // repeating it changes nothing, so it needs no key
	"POST /v1/races/{race_id}/participants/me/decline":  {Who: Runner}, // likewise
	"GET /v1/races/{race_id}/entry":                     {Who: Anyone},
	"GET /v1/races/{race_id}/entry/draw":                {Who: Anyone},
	"GET /v1/races/{race_id}/entry/draw.csv":            {Who: Anyone},
	"GET /v1/races/{race_id}/entry/events":              {Who: Anyone, Streams: true},
	"GET /v1/races/{race_id}/entries":                   {Who: Viewer},
	"GET /v1/races/{race_id}/entries.csv":               {Who: Viewer},
	"POST /v1/races/{race_id}/entries/{user_id}/enter":  {Who: Editor}, // repeating it changes nothing, so it needs no key
	"POST /v1/races/{race_id}/entries/{user_id}/remove": {Who: Editor}, // likewise

	"POST /v1/races/{race_id}/participants/me/defer":       {Who: Runner}, // repeating it changes nothing, so it needs no key
	"POST /v1/races/{race_id}/admissions":                  {Who: Editor, Creates: true},
	"GET /v1/races/{race_id}/admissions":                   {Who: Viewer},
	"DELETE /v1/races/{race_id}/admissions/{admission_id}": {Who: Editor},

	"POST /v1/races/{race_id}/participants/me/transfer":           {Who: Runner, Creates: true, Secret: true},
	"GET /v1/races/{race_id}/participants/me/transfer":            {Who: Runner},
	"DELETE /v1/races/{race_id}/participants/me/transfer":         {Who: Runner},
	"POST /v1/races/{race_id}/participants/me/transfer/confirm":   {Who: Runner}, // repeating it changes nothing, so it needs no key
	"GET /v1/races/{race_id}/transfers":                           {Who: Viewer},
	"POST /v1/races/{race_id}/transfers/open":                     {Who: Runner}, // likewise; the code does not belong into a URL
	"POST /v1/races/{race_id}/transfers/accept":                   {Who: Runner}, // likewise
	"POST /v1/races/{race_id}/transfers/decline":                  {Who: Runner}, // likewise
	"POST /v1/races/{race_id}/entries/{user_id}/transfer":         {Who: Editor, Creates: true, Secret: true},
	"GET /v1/races/{race_id}/entries/{user_id}/transfer":          {Who: Viewer},
	"DELETE /v1/races/{race_id}/entries/{user_id}/transfer":       {Who: Editor},
	"POST /v1/races/{race_id}/entries/{user_id}/transfer/confirm": {Who: Editor}, // repeating it changes nothing, so it needs no key

	"POST /v1/races/{race_id}/participants/import": {Who: Editor, Creates: true},

	"GET /v1/races/{race_id}/claims":                     {Who: Owner},
	"POST /v1/races/{race_id}/claims/{claim_id}/approve": {Who: Owner}, // repeating it changes nothing, so it needs no key
	"POST /v1/races/{race_id}/claims/{claim_id}/refuse":  {Who: Owner},
	"GET /v1/races/{race_id}/claim-codes":                {Who: Owner},
	"GET /v1/races/{race_id}/claim-codes.csv":            {Who: Owner},

	"POST /v1/races/{race_id}/official-records":               {Who: Timing, Creates: true},
	"POST /v1/races/{race_id}/official-records/import":        {Who: Timing, Creates: true},
	"GET /v1/races/{race_id}/official-records":                {Who: Anyone, MoreForOwner: true}, // the owner, and anyone once published
	"GET /v1/races/{race_id}/official-records/{record_id}":    {Who: Anyone, MoreForOwner: true}, // likewise
	"PATCH /v1/races/{race_id}/official-records/{record_id}":  {Who: Timing},
	"DELETE /v1/races/{race_id}/official-records/{record_id}": {Who: Timing},
	"GET /v1/races/{race_id}/credits":                         {Who: Viewer},
	"POST /v1/races/{race_id}/imports":                        {Who: Timing, Creates: true},
	"GET /v1/races/{race_id}/imports":                         {Who: Viewer},
	"GET /v1/races/{race_id}/imports/{import_id}":             {Who: Viewer},
	"GET /v1/races/{race_id}/imports/{import_id}/rows":        {Who: Viewer},
	"GET /v1/races/{race_id}/imports/{import_id}/file":        {Who: Viewer},
	"POST /v1/races/{race_id}/imports/{import_id}/apply":      {Who: Timing}, // repeating it changes nothing, so it needs no key
	"GET /v1/races/{race_id}/imports/{import_id}/undo":        {Who: Timing},
	"POST /v1/races/{race_id}/imports/{import_id}/undo":       {Who: Timing}, // repeating it changes nothing, so it needs no key

	"POST /v1/races/{race_id}/official-records/{record_id}/disputes": {Who: Runner, Creates: true},
	"GET /v1/races/{race_id}/disputes":                               {Who: Viewer},
	"POST /v1/races/{race_id}/disputes/{dispute_id}/answer":          {Who: Timing}, // repeating it changes nothing, so it needs no key

	"GET /v1/races/{race_id}/posts":                                         {Who: Anyone, MoreForOwner: true},
	"POST /v1/races/{race_id}/posts":                                        {Who: Editor, Creates: true},
	"GET /v1/races/{race_id}/posts/{post_id}":                               {Who: Anyone, MoreForOwner: true},
	"PATCH /v1/races/{race_id}/posts/{post_id}":                             {Who: Editor},
	"DELETE /v1/races/{race_id}/posts/{post_id}":                            {Who: Editor},
	"GET /v1/races/{race_id}/posts/{post_id}/comments":                      {Who: Anyone, MoreForOwner: true}, // of posts that are not published: the staff
	"POST /v1/races/{race_id}/posts/{post_id}/comments":                     {Who: Holder, Creates: true},      // who is entered or on the staff
	"PATCH /v1/races/{race_id}/posts/{post_id}/comments/{comment_id}":       {Who: Holder},                     // its author
	"DELETE /v1/races/{race_id}/posts/{post_id}/comments/{comment_id}":      {Who: Holder},                     // likewise
	"POST /v1/races/{race_id}/posts/{post_id}/comments/{comment_id}/report": {Who: Holder},                     // repeating it changes nothing, so it needs no key
	"POST /v1/races/{race_id}/posts/{post_id}/comments/{comment_id}/hide":   {Who: EditorOrOperator},           // likewise
	"POST /v1/races/{race_id}/posts/{post_id}/comments/{comment_id}/show":   {Who: EditorOrOperator},           // likewise
	"GET /v1/races/{race_id}/comments":                                      {Who: Viewer},
	"GET /v1/ops/comments":                                                  {Who: Operator},

	"GET /v1/leaderboard":                        {Who: Anyone},
	"GET /v1/races/{race_id}/standings":          {Who: Anyone},
	"GET /v1/races/{race_id}/standings.csv":      {Who: Anyone},
	"GET /v1/races/{race_id}/standings/version":  {Who: Anyone},
	"GET /v1/races/{race_id}/standings/versions": {Who: Anyone},
	"GET /v1/races/{race_id}/standings/compare":  {Who: Anyone, MoreForOwner: true}, // reasons: the owner, and anyone once published
	"POST /v1/races/{race_id}/finalize":          {Who: Editor},                     // repeating it changes nothing, so it needs no key
	"DELETE /v1/races/{race_id}/finalize":        {Who: Editor},
	"GET /v1/races/{race_id}/events":             {Who: Anyone, Streams: true},

	"GET /v1/races/{race_id}/standings/teams":     {Who: Anyone},
	"GET /v1/races/{race_id}/standings/teams.csv": {Who: Anyone},
	"GET /v1/races/{race_id}/results/export":      {Who: Anyone},
	"GET /v1/races/{race_id}/awards":              {Who: Anyone},
	"GET /v1/races/{race_id}/awards.csv":          {Who: Anyone},
	"GET /v1/races/{race_id}/awards.txt":          {Who: Anyone},

	"POST /v1/series":                               {Who: Organizer, Creates: true},
	"GET /v1/series":                                {Who: Anyone},
	"GET /v1/series/{series_id}":                    {Who: Anyone},
	"PATCH /v1/series/{series_id}":                  {Who: Organizer}, // its owner
	"DELETE /v1/series/{series_id}":                 {Who: Organizer}, // its owner
	"GET /v1/series/{series_id}/standings":          {Who: Anyone},
	"GET /v1/series/{series_id}/standings.csv":      {Who: Anyone},
	"GET /v1/series/{series_id}/standings/versions": {Who: Anyone},

	"GET /v1/ops/credits":                            {Who: Operator},
	"POST /v1/ops/credits/retry":                     {Who: Operator}, // repairs may be repeated, so they need no key
	"GET /v1/ops/credits/{record_id}":                {Who: Operator},
	"POST /v1/ops/credits/{record_id}/retry":         {Who: Operator},
	"GET /v1/ops/offers":                             {Who: Operator},
	"GET /v1/ops/deliveries":                         {Who: Operator},
	"POST /v1/ops/deliveries/{delivery_id}/replay":   {Who: Operator}, // repeating it sends a message again, under the same ID
	"GET /v1/ops/notices":                            {Who: Operator},
	"GET /v1/ops/mails":                              {Who: Operator},
	"POST /v1/ops/mails/{mail_id}/resend":            {Who: Operator}, // repeating it is refused while the mail is sent, and after
	"GET /v1/ops/mail-addresses":                     {Who: Operator},
	"GET /v1/ops/dead-letters":                       {Who: Operator},
	"POST /v1/ops/dead-letters/redrive":              {Who: Operator},
	"POST /v1/ops/dead-letters/{message_id}/discard": {Who: Operator},
	"GET /v1/ops/audit":                              {Who: Operator},
	"POST /v1/ops/audit":                             {Who: Operator},
	"POST /v1/ops/races/{race_id}/recompute":         {Who: Operator},
	"POST /v1/ops/series/{series_id}/recompute":      {Who: Operator},
	"POST /v1/ops/users/{user_id}/rebuild-total":     {Who: Operator},
	"GET /v1/ops/changes":                            {Who: Operator},
	"GET /v1/ops/changes/export":                     {Who: Operator, Streams: true},
	"POST /v1/ops/users/{user_id}/suspend":           {Who: Operator}, // repeating it changes nothing, so it needs no key
	"POST /v1/ops/users/{user_id}/restore":           {Who: Operator}, // likewise
	"POST /v1/ops/users/{user_id}/remove-passkeys":   {Who: Operator}, // likewise
	"POST /v1/ops/organizers/{user_id}/verify":       {Who: Operator},
	"POST /v1/ops/organizers/{user_id}/unverify":     {Who: Operator},
	"GET /v1/ops/people/suggestions":                 {Who: Operator},
	"POST /v1/ops/people/merge":                      {Who: Operator},
	"POST /v1/ops/people/separate":                   {Who: Operator},
	"GET /v1/ops/actions":                            {Who: Operator},
}

// RaceReader finds a race.
type RaceReader interface {
	// RaceFor also returns the role of an account in the race, empty when it has
	// none. It returns race.ErrNotFound when there is no such race.
	RaceFor(ctx context.Context, raceID, userID string) (race.Race, race.Role, error)
}

// authorize admits the calls that the access table allows. It checks for 401, then 403,
// then 404, and last for the role in the race: races are public, so their existence
// is no secret.
func authorize(api huma.API, races RaceReader, log *slog.Logger) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		op := ctx.Operation()
		admitted, err := Admit(ctx.Context(), races, op.Method, op.Path, ctx.Param("race_id"))
		if err != nil {
			writeError(api, ctx, translate(ctx.Context(), log, err))
			return
		}
		next(huma.WithContext(ctx, admitted))
	}
}

// Admit applies the access table to the caller in ctx, for calls and pages alike. It
// returns ctx with the race and the caller's role in it, where the route is about one.
func Admit(ctx context.Context, races RaceReader, method, pattern, raceID string) (context.Context, error) {
	rule, caller := Access[method+" "+pattern], CallerFrom(ctx)
	if err := allow(ctx, rule, caller); err != nil {
		return nil, err
	}
	needed, ofRace := roleFor[rule.Who]
	if !ofRace && (!rule.MoreForOwner || caller.UserID == "") {
		return ctx, nil
	}
	r, role, err := raceOf(ctx, races, raceID, caller)
	if err == nil && ofRace && caller.Type != auth.Operator {
		err = mayAct(caller, method, role, needed)
	}
	if err != nil {
		return nil, err
	}
	return WithRace(ctx, r, role), nil
}

// allow decides by the kind of the caller alone.
func allow(ctx context.Context, rule Rule, caller Caller) error {
	who := rule.Who
	if who == Anyone {
		return nil
	}
	if caller.UserID == "" {
		return Unauthenticated(ctx)
	}
	if caller.Key.ID != "" {
		return allowKey(rule, caller)
	}
	var needed auth.UserType
	switch who {
	case Anyone, Holder:
		return nil
	case Viewer, Timing, Editor, Owner:
		if caller.Type != auth.Operator {
			return nil
		}
		needed = auth.Organizer
	case OwnerOrOperator, EditorOrOperator:
		return nil
	case Runner:
		needed = auth.Runner
	case Organizer:
		needed = auth.Organizer
	case Operator:
		needed = auth.Operator
	default:
		return huma.Error403Forbidden("nobody may make this call")
	}
	if caller.Type != needed {
		return huma.Error403Forbidden(fmt.Sprintf("this call is for accounts of type %q; yours is %q", needed, caller.Type))
	}
	return nil
}

// allowKey decides what an API key may call, as far as that does not depend on the
// race.
func allowKey(rule Rule, caller Caller) error {
	switch {
	case rule.Who == Viewer, rule.Who == Timing, rule.Who == Editor, rule.Who == EditorOrOperator:
		return nil
	case rule.ByKey:
		if caller.Type == auth.Organizer && caller.Key.Scope == auth.ScopeAll && caller.Key.RaceID == "" {
			return nil
		}
		return huma.Error403Forbidden(`this call needs an access token, or an API key with the scope "all" that is not bound to a race`)
	}
	return huma.Error403Forbidden("this call cannot be made with an API key: log in at POST /v1/login")
}

// raceOf returns the race in the path, and the caller's role in it: for an API key,
// at most what its scope covers.
func raceOf(ctx context.Context, races RaceReader, raceID string, caller Caller) (race.Race, race.Role, error) {
	if uuid.Validate(raceID) != nil {
		return race.Race{}, "", race.ErrNotFound
	}
	r, role, err := races.RaceFor(ctx, raceID, caller.UserID)
	if err != nil || caller.Key.ID == "" || role == "" {
		return r, role, err
	}
	if caller.Key.RaceID != "" && caller.Key.RaceID != r.ID {
		return r, "", nil
	}
	if limit := roleOfScope[caller.Key.Scope]; role.Includes(limit) {
		role = limit
	}
	return r, role, nil
}

// roleOfScope is the role that an API key acts with at most.
var roleOfScope = map[auth.Scope]race.Role{auth.ScopeRead: race.Viewer, auth.ScopeTiming: race.Timing, auth.ScopeAll: race.Editor}

// mayAct decides by the caller's role in the race.
func mayAct(caller Caller, method string, role, needed race.Role) error {
	switch {
	case role.Includes(needed):
		if caller.Key.ID != "" && needed == race.Viewer && method != http.MethodGet {
			return huma.Error403Forbidden("this call cannot be made with an API key: log in at POST /v1/login")
		}
		return nil
	case caller.Key.ID != "":
		return huma.Error403Forbidden(fmt.Sprintf("the API key may not make this call: it needs the role %q in the race, by the scope of the key and by the account that made it", needed))
	case role == "":
		return huma.Error403Forbidden("the race belongs to another organizer, and you are not on its staff")
	}
	return huma.Error403Forbidden(fmt.Sprintf("this call needs the role %q in the race; yours is %q", needed, role))
}
