package model

import "time"

// InlinePolicy is a policy document embedded in a role, user or group.
type InlinePolicy struct {
	Name     string `json:"name"`
	Document string `json:"document"`
}

// Role is an IAM role. Key: Name.
type Role struct {
	Name               string         `json:"name" w:"api/iam"`
	ARN                string         `json:"arn" w:"api/iam"`
	ID                 string         `json:"id" w:"api/iam"` // AROA…
	Path               string         `json:"path" w:"api/iam"`
	Trust              string         `json:"trust" w:"api/iam"` // AssumeRolePolicyDocument
	Description        string         `json:"description,omitempty" w:"api/iam"`
	MaxSessionDuration int64          `json:"maxSessionDuration" w:"api/iam"` // seconds
	Attached           []string       `json:"attached,omitempty" w:"api/iam"` // managed policy ARNs
	Inline             []InlinePolicy `json:"inline,omitempty" w:"api/iam"`
	Boundary           string         `json:"boundary,omitempty" w:"api/iam"`
	Tags               []Tag          `json:"tags,omitempty" w:"api/iam"`
	CreatedAt          time.Time      `json:"createdAt" w:"api/iam"`
}

// InstanceProfile carries a role to an instance. Key: Name.
type InstanceProfile struct {
	Name      string    `json:"name" w:"api/iam"`
	ARN       string    `json:"arn" w:"api/iam"`
	ID        string    `json:"id" w:"api/iam"` // AIPA…
	Path      string    `json:"path" w:"api/iam"`
	Roles     []string  `json:"roles,omitempty" w:"api/iam"` // role names, at most one
	Tags      []Tag     `json:"tags,omitempty" w:"api/iam"`
	CreatedAt time.Time `json:"createdAt" w:"api/iam"`
}

// PolicyVersion is one version of a customer managed policy.
type PolicyVersion struct {
	ID        string    `json:"id"` // v1
	Document  string    `json:"document"`
	Default   bool      `json:"default"`
	CreatedAt time.Time `json:"createdAt"`
}

// Policy is a customer managed policy. Key: ARN. AWS's own managed policies
// are data, not records.
type Policy struct {
	ARN         string          `json:"arn" w:"api/iam"`
	Name        string          `json:"name" w:"api/iam"`
	ID          string          `json:"id" w:"api/iam"`
	Path        string          `json:"path" w:"api/iam"`
	Description string          `json:"description,omitempty" w:"api/iam"`
	Versions    []PolicyVersion `json:"versions" w:"api/iam"`
	Tags        []Tag           `json:"tags,omitempty" w:"api/iam"`
	CreatedAt   time.Time       `json:"createdAt" w:"api/iam"`
	UpdatedAt   time.Time       `json:"updatedAt" w:"api/iam"`
}

// User is an IAM user. Key: Name.
type User struct {
	Name      string         `json:"name" w:"api/iam"`
	ARN       string         `json:"arn" w:"api/iam"`
	ID        string         `json:"id" w:"api/iam"` // AIDA…
	Path      string         `json:"path" w:"api/iam"`
	Groups    []string       `json:"groups,omitempty" w:"api/iam"`   // names
	Attached  []string       `json:"attached,omitempty" w:"api/iam"` // managed policy ARNs
	Inline    []InlinePolicy `json:"inline,omitempty" w:"api/iam"`
	Boundary  string         `json:"boundary,omitempty" w:"api/iam"`
	Tags      []Tag          `json:"tags,omitempty" w:"api/iam"`
	CreatedAt time.Time      `json:"createdAt" w:"api/iam"`
}

// Group is a group of IAM users, who have its policies; a user names its
// groups. Key: Name.
type Group struct {
	Name      string         `json:"name" w:"api/iam"`
	ARN       string         `json:"arn" w:"api/iam"`
	ID        string         `json:"id" w:"api/iam"` // AGPA…
	Path      string         `json:"path" w:"api/iam"`
	Attached  []string       `json:"attached,omitempty" w:"api/iam"` // managed policy ARNs
	Inline    []InlinePolicy `json:"inline,omitempty" w:"api/iam"`
	CreatedAt time.Time      `json:"createdAt" w:"api/iam"`
}

// AccessKey is a key without an end, of an IAM user or of the account's root.
// Key: ID.
type AccessKey struct {
	ID        string    `json:"id" w:"api/iam,access"` // AKIA…
	Secret    string    `json:"secret" w:"api/iam,access"`
	User      string    `json:"user,omitempty" w:"api/iam,access"` // name; "" is the root's
	Inactive  bool      `json:"inactive,omitempty" w:"api/iam"`
	CreatedAt time.Time `json:"createdAt" w:"api/iam,access"`

	// When, to the minute, and of what it last signed a call.
	UsedAt      time.Time `json:"usedAt,omitzero" w:"access"`
	UsedService string    `json:"usedService,omitempty" w:"access"`
	UsedRegion  string    `json:"usedRegion,omitempty" w:"access"`
}

// KeyOwner is who an access key of a user belongs to, as the index of keys has
// it: the root, who has no name, is ":root", which no user can be called.
func KeyOwner(user string) string {
	if user == "" {
		return ":root"
	}
	return user
}

// Credential is a temporary key that was handed out for a role session, a user
// or the root.
// Key: AccessKeyID.
type Credential struct {
	AccessKeyID string `json:"accessKeyId" w:"access,api/sts,dispatch,controllers/instance,controllers/lambda"`
	Secret      string `json:"secret" w:"access,api/sts,dispatch,controllers/instance,controllers/lambda"`
	Token       string `json:"token" w:"access,api/sts,dispatch,controllers/instance,controllers/lambda"`
	Role        string `json:"role" w:"access,api/sts,dispatch,controllers/instance,controllers/lambda"` // role ARN
	// User is the ARN of the user who asked for the key.
	User    string    `json:"user,omitempty" w:"access,api/sts"`
	Session string    `json:"session" w:"access,api/sts,dispatch,controllers/instance,controllers/lambda"`
	Expires time.Time `json:"expires" w:"access,api/sts,dispatch,controllers/instance,controllers/lambda"`
	// For is whom the key was made for: an instance id, a task ARN, a
	// function ARN or the caller's ARN.
	For string `json:"for,omitempty" w:"access,api/sts,dispatch,controllers/instance,controllers/lambda"`
}
