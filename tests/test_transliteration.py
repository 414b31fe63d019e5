"""Latin letters by the official tables:

the Cabinet of Ministers, resolution 55 of 2010, and ICAO Doc 9303 for Russian.
"""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

import smsgate

# The examples of the resolution: two names for each letter, and its notes.
RESOLUTION = """
Алушта Alushta, Андрій Andrii, Борщагівка Borshchahivka, Борисенко Borysenko, Вінниця Vinnytsia,
Володимир Volodymyr, Гадяч Hadiach, Богдан Bohdan, Згурський Zghurskyi, Ґалаґан Galagan,
Ґорґани Gorgany, Донецьк Donetsk, Дмитро Dmytro, Рівне Rivne, Олег Oleh, Есмань Esman,
Єнакієве Yenakiieve, Гаєвич Haievych, Короп'є Koropie, Житомир Zhytomyr, Жанна Zhanna,
Жежелів Zhezheliv, Закарпаття Zakarpattia, Казимирчук Kazymyrchuk, Медвин Medvyn,
Михайленко Mykhailenko, Іванків Ivankiv, Іващенко Ivashchenko, Їжакевич Yizhakevych,
Кадиївка Kadyivka, Мар'їне Marine, Йосипівка Yosypivka, Стрий Stryi, Олексій Oleksii, Київ Kyiv,
Коваленко Kovalenko, Лебедин Lebedyn, Леонід Leonid, Миколаїв Mykolaiv, Маринич Marynych,
Ніжин Nizhyn, Наталія Nataliia, Одеса Odesa, Онищенко Onyshchenko, Полтава Poltava, Петро Petro,
Решетилівка Reshetylivka, Рибчинський Rybchynskyi, Суми Sumy, Соломія Solomiia,
Тернопіль Ternopil, Троць Trots, Ужгород Uzhhorod, Уляна Uliana, Фастів Fastiv, Філіпчук Filipchuk,
Харків Kharkiv, Христина Khrystyna, Біла Bila, Церква Tserkva, Стеценко Stetsenko,
Чернівці Chernivtsi, Шевченко Shevchenko, Шостка Shostka, Кишеньки Kyshenky,
Щербухи Shcherbukhy, Гоща Hoshcha, Гаращенко Harashchenko, Юрій Yurii, Корюківка Koriukivka,
Яготин Yahotyn, Ярошенко Yaroshenko, Костянтин Kostiantyn, Знам'янка Znamianka,
Феодосія Feodosiia, Згорани Zghorany, Розгон Rozghon
"""
EXAMPLES = [tuple(pair.split()) for pair in RESOLUTION.replace("\n", " ").split(",")]


@pytest.mark.parametrize(("name", "latin"), EXAMPLES)
def test_examples_of_the_ukrainian_resolution(name: str, latin: str):
    assert smsgate.transliterate(name, "uk") == latin


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("ЗГОРАНИ, ЄС і ЮНЕСКО, ЩО ТРЕБА", "ZGHORANY, YES i YUNESKO, SHCHO TREBA"),
        ("Щ. Ю. Щука, БОРЩ!", "Shch. Yu. Shchuka, BORSHCH!"),
        ("Зелений зГ ЗГода", "Zelenyi zGH ZGHoda"),
        ("Квітка-Яценко", "Kvitka-Yatsenko"),
        ("5Я", "5Ya"),
        ("Знам’янка, Знамʼянка, Знам`янка", "Znamianka, Znamianka, Znamianka"),
        ("We don't sell 'Смак'", "We don't sell 'Smak'"),
        ("https://ex.ua/?a=1 4815", "https://ex.ua/?a=1 4815"),
        ("є\u0301ю", "ye\u0301iu"),
        ("мышь", "mыsh"),
    ],
)
def test_rules_of_ukrainian_words_hold_in_whole_texts(text: str, latin: str):
    assert smsgate.transliterate(text, "uk") == latin


def test_letters_of_two_characters_are_transliterated_too():
    text = "Йосип їде в Київ"
    assert smsgate.transliterate(unicodedata.normalize("NFD", text), "uk") == "Yosyp yide v Kyiv"


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("подъезд, объём, Ёлка, мышь", "podieezd, obieem, Elka, mysh"),
        ("ЩЁЛКОВО, Юлия, ЮЛИЯ, Хабаровск", "SHCHELKOVO, Iuliia, IULIIA, Khabarovsk"),
        ("этот год, цех, чай", "etot god, tsekh, chai"),
    ],
)
def test_russian_follows_the_table_of_icao(text: str, latin: str):
    assert smsgate.transliterate(text, "ru") == latin


def test_another_language_is_an_error():
    wrong: Any = "be"
    with pytest.raises(ValueError, match="language: must be uk or ru"):
        smsgate.transliterate("Мінск", wrong)
