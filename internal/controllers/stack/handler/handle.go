package handler

// Wait condition handles. Only the handle's name is made: templates use one as
// a resource that does nothing. Signals to it are not built, nor is the wait
// condition that would listen.

func handleTypes() map[string]*Type {
	return map[string]*Type{
		"AWS::CloudFormation::WaitConditionHandle": {
			ID: func(s *Step) any {
				return "https://cloudformation-waitcondition-" + s.Place.Region + ".s3.amazonaws.com/" + s.StackName + "/" + s.Record.LogicalID +
					"/" + s.Record.Token
			},
			Attributes: map[string]Value{"Id": self},
		},
	}
}
