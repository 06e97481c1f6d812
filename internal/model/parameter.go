package model

import "time"

// Parameter is a parameter of Systems Manager's Parameter Store. Key: Name. The
// values of secure ones are as secret as the state's other keys are.
type Parameter struct {
	Name string `json:"name" w:"api/ssm"`
	Tags []Tag  `json:"tags,omitempty" w:"api/ssm"`
	// Versions are what was put, oldest first; there is one at least.
	Versions []ParameterVersion `json:"versions" w:"api/ssm"`
}

// ParameterVersion is one value of a parameter, with what was put beside it.
type ParameterVersion struct {
	Number         int64  `json:"number"`
	Type           string `json:"type"`
	Value          string `json:"value"`
	Description    string `json:"description,omitempty"`
	AllowedPattern string `json:"allowedPattern,omitempty"`
	DataType       string `json:"dataType"`
	Tier           string `json:"tier"`
	// Sealed is what a secure value is shown as without decryption: nothing leads
	// from it to the value.
	Sealed string    `json:"sealed,omitempty"`
	Labels []string  `json:"labels,omitempty"`
	By     string    `json:"by"` // ARN of who put it
	At     time.Time `json:"at"`
}

// Newest is the version that is asked for of itself.
func (p Parameter) Newest() ParameterVersion { return p.Versions[len(p.Versions)-1] }

// ParameterSecure is the type of parameters that are kept secret.
const ParameterSecure = "SecureString"

// ParameterPath is a parameter's name as the end of its ARN.
func ParameterPath(name string) string {
	if name == "" || name[0] != '/' {
		return "/" + name
	}
	return name
}
