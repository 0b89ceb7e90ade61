// What a file of text is like: separator, decimal comma, header. Internal.
#pragma once

#include <descent/data/reading/fields.h>

#include <memory>
#include <vector>

namespace descent::data::detail {

/// A table with more columns is more likely damaged than meant.
inline constexpr std::size_t kMostColumns = std::size_t{1} << 17;

/// A field of a row, as a part of the file's text or, if it was put together, as text of its own.
struct Field {
  std::string_view text;
  std::shared_ptr<const std::string> own;
};
using Row = std::vector<Field>;

/// Goes to the end of a row. Returns the number of its fields.
std::size_t width_at(Cursor& cursor);
/// The fields of the row at which the cursor stands. Goes to the end of the row.
Row row_at(Cursor& cursor, std::string_view text);
/// Up to `most` rows; fewer if they have very many fields.
std::vector<Row> first_rows(std::string_view text, const Format& format, std::size_t most);

/// Throws FileError for a file that holds its table in another form than text.
void refuse_other_formats(std::string_view text, const std::string& name);
/// The place of the first byte that is not UTF-8, or npos.
std::size_t not_utf8(std::string_view s);
/// The separator of a text: the one that cuts all rows into as many fields.
char separator_of(std::string_view text, Format format);
/// The decimal mark. A comma counts if it stands in numbers and no number has a point. Throws
/// FileError if the commas may separate thousands.
char decimal_of(const std::vector<Row>& rows, const std::string& name);
/// Whether the first row holds names: it has a word in a column of numbers, or counts up where no
/// other row does, or its words are found nowhere below.
bool is_header(const std::vector<Row>& rows, char decimal);
/// The class names of scikit-learn's own files, whose first row is samples, features, class names.
std::vector<std::string> class_names_of(const std::vector<Row>& rows);

/// True for a whole number of up to nine digits, which number_of() reads.
bool is_whole(std::string_view s);
std::size_t number_of(std::string_view whole);

}  // namespace descent::data::detail
