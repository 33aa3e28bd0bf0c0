"""nbgrader's settings for this course; written by `fedit exercises nbgrader`. Run nbgrader in this folder."""

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "face_editing"
c.CourseDirectory.source_directory = "source"
c.CourseDirectory.release_directory = "release"
c.CourseDirectory.submitted_directory = "submitted"
c.CourseDirectory.autograded_directory = "autograded"
c.CourseDirectory.feedback_directory = "feedback"

# What stands in an answer's place is what the checks know as untouched.
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError()"}
c.ClearSolutions.begin_solution_delimeter = "BEGIN SOLUTION"
c.ClearSolutions.end_solution_delimeter = "END SOLUTION"

# The slowest series takes well under a minute; a learner's endless loop should not hold up a class.
c.ExecutePreprocessor.timeout = 300
c.ExecutePreprocessor.interrupt_on_timeout = True
