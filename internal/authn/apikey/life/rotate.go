package life

import "time"

// Grain is the precision of times that are made, not read.
const Grain = time.Millisecond

// Heir returns the successor of a key, without id and secret.
func (r *Record) Heir(now time.Time) Record {
	c := r.Clone()
	n := Record{
		Name: c.Name, Scopes: c.Scopes, Roles: c.Roles, Routes: c.Routes, Owner: c.Owner, Tenant: c.Tenant,
		Schedule: c.Schedule, Status: StatusActive, Told: StatusActive, CreatedAt: now, Predecessor: c.ID, ExpiresAt: c.ExpiresAt,
	}
	if r.Scheduled() {
		n.ExpiresAt = now.Add(r.Schedule.Period())
	}
	return n
}

// Retire starts the overlap of a key that has a successor. Its own end stands:
// if that comes sooner, the overlap is shorter.
func (r *Record) Retire(now time.Time, overlap time.Duration, emergency bool, reason string) {
	if r.Expired(now) {
		emergency, reason = true, "expired"
	}
	if emergency {
		r.RotatedAt = now
		r.Revoke(now, EmergencyReason(reason))
		return
	}
	if !r.ExpiresAt.IsZero() {
		overlap = min(overlap, r.ExpiresAt.Sub(now)/2)
	}
	overlap = overlap.Truncate(Grain)
	r.Status, r.RotatedAt = StatusRotating, now
	r.DeprecateAt, r.RevokeAt = now.Add(overlap), now.Add(2*overlap)
}

// Revoke ends a key.
func (r *Record) Revoke(now time.Time, reason string) {
	r.Status, r.RevokedAt, r.RevokeReason = StatusRevoked, now, reason
}

// EmergencyReason is the reason of an emergency rotation that names none.
func EmergencyReason(reason string) string {
	if reason == "" {
		return "emergency rotation"
	}
	return reason
}

// WhyOver says why time ended a key.
func (r *Record) WhyOver(now time.Time) string {
	switch {
	case r.Unclaimed():
		return "not claimed"
	case Reached(r.RevokeAt, now):
		return "rotated"
	}
	return "expired"
}
