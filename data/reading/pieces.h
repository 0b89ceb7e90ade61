// A table's text in pieces, which threads read side by side. Internal.
#pragma once

#include <descent/data/reading/format.h>

#include <functional>
#include <optional>
#include <unordered_map>

namespace descent::data::detail {

/// A column with more different words is more likely text than a category.
inline constexpr std::size_t kMostWords = std::size_t{1} << 18;

struct Hash : std::hash<std::string_view> {
  using is_transparent = void;
};
/// Words in the order of first sight, and how often each stands there.
struct Dictionary {
  std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> places;
  std::vector<const std::string*> words;
  std::vector<std::int64_t> counts;

  /// The place of a word, or nothing if there are too many.
  std::optional<std::size_t> place_of(std::string_view word, std::size_t most) {
    auto at = places.find(word);
    if (at == places.end()) {
      if (words.size() == most) return {};
      at = places.emplace(word, words.size()).first;
      words.push_back(&at->first);
      counts.push_back(0);
    }
    ++counts[at->second];
    return at->second;
  }
};

/// What to do with a column in a pass over the text.
struct Pass {
  enum Action { skip, number, word } action = number;
  std::size_t to = 0;  // the column of the result
  double shift = 0;
  std::size_t most_words = kMostWords;
};

/// What a piece has in a column besides plain numbers.
struct PieceColumn {
  std::int64_t gaps = 0, words = 0;
  const char *first_gap = nullptr, *first_word = nullptr;
  bool overflows = false;  // too many words
  Dictionary dictionary;
};
struct Piece {
  std::string_view text;
  std::int64_t first_row = 0, rows = 0;
  std::vector<std::unique_ptr<PieceColumn>> columns;  // null for plain numbers alone
  // The first error, if there is one.
  const char* wrong_at = nullptr;
  std::size_t wrong_column = 0, fields = 0;
  std::string wrong;
};

/// Rows at most: lines that are not empty.
std::int64_t lines_of(std::string_view text, char newline);
/// Cuts a text behind rows into pieces. The cut does not depend on the number of threads.
std::vector<Piece> pieces_of(std::string_view text, const Format& format);
/// Reads one piece into rows of `width` floats. Counts the rows, and stops at the first error.
void read(Piece& piece, const Format& format, const std::vector<Pass>& passes, std::size_t width,
          float* out);

}  // namespace descent::data::detail
