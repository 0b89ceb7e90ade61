// One self-contained page: its frame, tables, and text that may stand in it.
#pragma once

#include <string>
#include <vector>

namespace app {

/// Text as it may stand in HTML and SVG.
std::string escaped(const std::string& text);
/// The first row is the header; wide tables scroll by themselves. Numbers are set right: all but
/// the first column and those from the one numbered `texts` on.
std::string html_table(const std::vector<std::vector<std::string>>& rows, std::size_t texts = 100);
/// A whole page without anything from elsewhere, for light and dark, wide and narrow.
std::string html_page(const std::string& title, const std::string& body);

}  // namespace app
