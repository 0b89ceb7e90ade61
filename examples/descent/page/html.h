// A page of HTML that needs no other file: its frame, its tables, and text with escaped characters.
#pragma once

#include <string>
#include <vector>

namespace app {

/// Replaces the characters that have a meaning in HTML and SVG: "a<b" gives "a&lt;b".
std::string escaped(const std::string& text);
/// A table whose first row is the header. If the table is wider than the page, it scrolls by
/// itself. Column 0 and the columns from number `texts` on hold text and are aligned left; the
/// others hold numbers and are aligned right.
std::string html_table(const std::vector<std::vector<std::string>>& rows, std::size_t texts = 100);
/// A whole page: title, style and body. The style fits light and dark, wide and narrow screens.
std::string html_page(const std::string& title, const std::string& body);

}  // namespace app
