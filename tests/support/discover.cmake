# Makes the tests of a GoogleTest program tests of ctest.
#
# ctest includes this file through a file that descent_discover_tests() writes, with `program` and `prefix` set. A test
# with parameters is one test of ctest, with all its parameters: to start a process takes longer than most of them
# take, and under the sanitizers it takes a third of a second.
if(NOT EXISTS "${program}")
  add_test(${prefix}NOT_BUILT "${program}")
  return()
endif()
execute_process(COMMAND "${program}" --gtest_list_tests OUTPUT_VARIABLE listed RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${program} cannot list its tests: ${failed}")
endif()
string(REGEX REPLACE "[][;#][^\n]*" "" listed "${listed}")  # comments hold the values of parameters
string(REPLACE "\n" ";" listed "${listed}")
set(before "")
foreach(line IN LISTS listed)
  if(line MATCHES "^([^ ]+[.]) *$")
    set(suite "${CMAKE_MATCH_1}")
  elseif(line MATCHES "^  ([^ /]+)(/?)")
    set(name "${suite}${CMAKE_MATCH_1}")
    set(filter "${name}")
    if(CMAKE_MATCH_2)
      string(APPEND filter "/*")
    endif()
    if(NOT name STREQUAL before AND NOT name MATCHES "DISABLED_")
      add_test("${prefix}${name}" "${program}" --gtest_brief=1 "--gtest_filter=${filter}")
      set_tests_properties("${prefix}${name}" PROPERTIES FAIL_REGULAR_EXPRESSION "=] 0 tests from")
    endif()
    set(before "${name}")
  endif()
endforeach()
