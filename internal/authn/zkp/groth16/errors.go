package groth16

// Reason names why something was refused, for the audit log.
type Reason string

// The reasons.
const (
	TooLarge         Reason = "too_large"         // more bytes than any honest file has
	Malformed        Reason = "malformed"         // not JSON, or not of the form wanted
	DuplicateMember  Reason = "duplicate_member"  // a name twice in one object
	UnknownMember    Reason = "unknown_member"    // a name that the form does not have
	MissingMember    Reason = "missing_member"    // a name that it must have
	TrailingData     Reason = "trailing_data"     // bytes after the value
	WrongProtocol    Reason = "wrong_protocol"    // not groth16
	WrongCurve       Reason = "wrong_curve"       // not bn128, which is bn254
	NotCanonical     Reason = "not_canonical"     // a number in another spelling
	OutOfRange       Reason = "out_of_range"      // a number at or above its modulus
	NotNormalised    Reason = "not_normalised"    // z is not 1
	NotOnCurve       Reason = "not_on_curve"      // a point off the curve
	WrongSubgroup    Reason = "wrong_subgroup"    // a point of the curve, of another order
	Infinity         Reason = "infinity"          // the point at infinity
	WrongCount       Reason = "wrong_count"       // not as many inputs or points as the key says
	UnsafeKey        Reason = "unsafe_key"        // a key with which anyone could forge
	InvalidProof     Reason = "invalid_proof"     // well-formed, and does not verify
	NotInitialised   Reason = "not_initialised"   // a zero Key or Proof
	ImpossibleLength Reason = "impossible_length" // a key for more inputs than this package takes
)

// Error is the one error of this package. Neither part holds anything of what
// was read but names of the format.
type Error struct {
	Reason Reason
	Detail string // where, for people
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return "groth16: " + string(e.Reason)
	}
	return "groth16: " + e.Detail + ": " + string(e.Reason)
}

// Is makes two errors of one reason the same to errors.Is.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Reason == e.Reason && (t.Detail == "" || t.Detail == e.Detail)
}

func refuse(r Reason, detail string) error { return &Error{Reason: r, Detail: detail} }
